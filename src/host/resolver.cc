#include "host/resolver.hh"

#include "host/resolver_job.hh"

#include <algorithm>
#include <optional>
#include <utility>

namespace slirpstack {

namespace {

constexpr std::size_t MAX_KEPT = 256;

} // namespace

Resolver::Resolver(Loop& loop, std::chrono::nanoseconds ttl) : Resolver(loop, ttl, Timeouts()) {}

Resolver::Resolver(Loop& loop, std::chrono::nanoseconds ttl, const Timeouts& timeouts)
  : loop_(loop), ttl_(ttl), timeouts_(timeouts), delivery_(loop, [this] { deliver(); })
{}

Resolver::~Resolver() = default;

std::unique_ptr<PendingLookup> Resolver::look_up(const HostName& name,
                                                 std::function<void(const LookupAnswer&)> done)
{
  const LookupAnswer* const answer = kept(name);
  if (answer == nullptr) {
    return look_up_afresh(name, std::move(done));
  }
  Job& job = add_job(name);
  auto listener = std::make_unique<Listener>(job, std::move(done));
  job.finish(*answer);
  job.set_kept();
  return listener;
}

std::unique_ptr<PendingLookup> Resolver::look_up_afresh(
  const HostName& name,
  std::function<void(const LookupAnswer&)> done)
{
  if (Job* const job = asking(name)) {
    return std::make_unique<Listener>(*job, std::move(done));
  }
  Job& job = add_job(name);
  auto listener = std::make_unique<Listener>(job, std::move(done));
  job.start();
  return listener;
}

Resolver::Job* Resolver::asking(const HostName& name) const
{
  const auto found = std::ranges::find_if(
    jobs_, [&](const auto& job) { return job->name() == name && !job->finished(); });
  return found == jobs_.end() ? nullptr : found->get();
}

Resolver::Job& Resolver::add_job(const HostName& name)
{
  return *jobs_.emplace_back(std::make_unique<Job>(*this, name));
}

const LookupAnswer* Resolver::kept(const HostName& name)
{
  const auto found = kept_.find(name);
  return found != kept_.end() && Loop::now() < found->second.until ? &found->second.answer
                                                                   : nullptr;
}

void Resolver::keep(const HostName& name, const LookupAnswer& answer)
{
  if (ttl_.count() == 0 || answer.addresses.empty()) {
    return;
  }
  const auto until = [](const auto& entry) { return entry.second.until; };
  if (kept_.size() == MAX_KEPT && !kept_.contains(name)) {
    kept_.erase(std::ranges::min_element(kept_, {}, until));
  }
  // A time limit of centuries is one without end.
  const TimePoint now = Loop::now();
  kept_.insert_or_assign(name, Kept{answer, ttl_ < NEVER - now ? now + ttl_ : NEVER});
}

void Resolver::on_job_done()
{
  delivery_.set(Loop::now());
}

void Resolver::deliver()
{
  // Whoever is told may start or drop lookups, so each round looks at the list afresh.
  for (auto next = jobs_.begin(); next != jobs_.end();) {
    if ((*next)->take_next_step()) {
      ++next;
      continue;
    }
    const std::unique_ptr<Job> job = std::move(*next);
    jobs_.erase(next);
    if (!job->was_kept()) { // else a name in constant use would keep its answer for ever
      keep(job->name(), job->answer());
    }
    while (Listener* const listener = job->take_listener()) {
      if (const auto done = listener->take_done()) {
        done(job->answer());
      }
    }
    next = jobs_.begin();
  }
}

LookupAnswer resolve_now(Loop& loop, NameResolver& names, const HostName& name)
{
  std::optional<LookupAnswer> answer;
  const auto lookup = names.look_up(name, [&](const LookupAnswer& found) { answer = found; });
  loop.run_until([&] { return answer.has_value(); });
  return answer.value();
}

} // namespace slirpstack
