#include "accel/nat_forwards.hh"

#include "base/error.hh"
#include "base/log.hh"

#include <algorithm>
#include <fmt/format.h>
#include <system_error>

namespace slirpstack {

namespace {

/// They all lead to one address.
const IpAddress& subscriber_of(const PublishedForward& forward)
{
  return forward.ports.front().guest.address;
}

std::string reason_of(StaticRefusal refusal, const PublishedPort& port)
{
  switch (refusal) {
    case StaticRefusal::internal_taken:
      return fmt::format("{} has an external port already: of another forward, or one of its own "
                         "until it is silent",
                         port.guest.to_string());
    case StaticRefusal::no_room:
      return "the NAT has no room for it (-max-bindings)";
    default:
      return fmt::format("{} is in use: by another forward, or by a subscriber until it is silent",
                         external_text(port));
  }
}

} // namespace

NatForwards::NatForwards(Loop& loop, BindingWriter* writer, const NatPlan& plan)
  : writer_(writer)
  , plan_(plan)
  , places_(loop, [this](const IpAddress& subscriber, const MacAddress& mac) {
    on_found(subscriber, mac);
  })
{}

PublishedForward NatForwards::add(const ForwardSpec& spec)
{
  if (writer_ == nullptr) {
    throw UsageError("there are too many external addresses for forwards: at most 65536");
  }
  PublishedForward forward{
    last_id_ + 1, spec, published_ports(spec, {plan_.external, plan_.internal})};
  check_blocks(forward.ports);
  open(forward.ports);
  last_id_ = forward.id;
  forwards_.emplace(forward.id, forward);
  places_.follow(subscriber_of(forward));
  return forward;
}

bool NatForwards::remove(std::uint32_t id)
{
  const auto found = forwards_.find(id);
  if (found == forwards_.end()) {
    return false;
  }
  close(found->second.ports);
  const IpAddress subscriber = subscriber_of(found->second);
  forwards_.erase(found);
  if (std::ranges::none_of(
        forwards_, [&](const auto& each) { return subscriber_of(each.second) == subscriber; })) {
    places_.forget(subscriber);
  }
  return true;
}

std::vector<PublishedForward> NatForwards::list() const
{
  std::vector<PublishedForward> all;
  for (const auto& [id, forward] : forwards_) {
    all.push_back(forward);
  }
  return all;
}

void NatForwards::set_interface(unsigned index)
{
  interface_ = index;
  places_.set_interface(index);
}

void NatForwards::check_blocks(const std::vector<PublishedPort>& ports) const
{
  for (const PublishedPort& port : ports) {
    const auto owner = block_owner(plan_, port.external);
    if (owner && *owner != port.guest.address) {
      throw UsageError(
        fmt::format("port {} of {} is in the block of {} (-port-block), and would be "
                    "taken for one of its: those of {} are {}",
                    port.external.port,
                    port.external.address.to_string(),
                    owner->to_string(),
                    port.guest.address.to_string(),
                    block_text(plan_, port.guest.address)));
    }
  }
}

/// All of them or none.
void NatForwards::open(const std::vector<PublishedPort>& ports)
{
  for (auto port = ports.begin(); port != ports.end(); ++port) {
    try {
      const auto refusal = writer_->add_static({port->protocol,
                                                port->external,
                                                port->guest,
                                                {.ifindex = interface_, .zone = 0, .mac = {}}},
                                               Clock::now());
      if (refusal) {
        throw UsageError(reason_of(*refusal, *port));
      }
    } catch (...) {
      close({ports.begin(), port});
      throw;
    }
  }
}

void NatForwards::close(const std::vector<PublishedPort>& ports)
{
  std::vector<BindingWriter::PublicPort> all;
  all.reserve(ports.size());
  for (const PublishedPort& port : ports) {
    all.push_back({port.external, port.protocol});
  }
  writer_->remove_statics(all, Clock::now());
}

void NatForwards::on_found(const IpAddress& subscriber, const MacAddress& mac)
{
  try {
    for (const auto& [id, forward] : forwards_) {
      if (subscriber_of(forward) == subscriber) {
        for (const PublishedPort& port : forward.ports) {
          writer_->place_static(port.external, port.protocol, mac);
        }
      }
    }
  } catch (const std::system_error& error) {
    log(LogLevel::warning, "cannot place a forward's subscriber", {{"reason", error.what()}});
  }
}

} // namespace slirpstack
