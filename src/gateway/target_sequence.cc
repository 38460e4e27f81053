#include "gateway/target_sequence.hh"

#include "base/log.hh"

#include <algorithm>
#include <span>
#include <utility>

namespace slirpstack {

namespace {

// Of one name. Nobody waits for the seventeenth.
constexpr std::size_t MAX_ADDRESSES = 16;

} // namespace

TargetSequence::TargetSequence(const FlowKey& flow, NameResolver& names, std::deque<Target> targets)
  : flow_(flow), names_(names), targets_(std::move(targets))
{}

std::optional<StreamAddress> TargetSequence::next(std::function<void()> on_known)
{
  if (targets_.empty()) {
    return std::nullopt;
  }
  const Target target = std::move(targets_.front());
  targets_.pop_front();
  if (const auto* named = std::get_if<NamedTarget>(&target)) {
    lookup_ = names_.look_up(
      named->name,
      [this, port = named->port, on_known = std::move(on_known)](const LookupAnswer& answer) {
        on_looked_up(port, answer);
        on_known(); // whoever owns this may go
      });
    return std::nullopt;
  }
  if (const auto* endpoint = std::get_if<Endpoint>(&target)) {
    return *endpoint;
  }
  return std::get<UnixPath>(target);
}

void TargetSequence::on_looked_up(std::uint16_t port, const LookupAnswer& answer)
{
  lookup_.reset();
  lookup_error_ = answer.addresses.empty() ? answer.error : std::string();
  if (answer.addresses.empty()) {
    log(LogLevel::warning,
        "a forward's target has no address",
        {{"flow", flow_.to_string()}, {"reason", answer.error}});
  }
  const auto tried
    = std::span(answer.addresses).first(std::min(answer.addresses.size(), MAX_ADDRESSES));
  for (auto address = tried.rbegin(); address != tried.rend(); ++address) {
    targets_.emplace_front(Endpoint{*address, answer.port != 0 ? answer.port : port});
  }
}

} // namespace slirpstack
