#pragma once

#include "flow/name_resolver.hh"
#include "host/loop.hh"

#include <chrono>
#include <list>
#include <map>
#include <memory>

namespace slirpstack {

class NameQuery;

/// The host's name service by c-ares: /etc/hosts and the resolvers of /etc/resolv.conf, which are
/// read anew for each query, or the one DNS server that an SRV name says. No threads, and nothing
/// is kept open between queries.
class Resolver final : public NameResolver
{
public:
  struct Timeouts
  {
    std::chrono::milliseconds system{10000}; ///< a system lookup in all
    std::chrono::milliseconds srv{3000};     ///< an SRV lookup and that of its target
  };

  /// `ttl`: how long an answer serves later lookups of the same name; 0: not at all. `loop` must
  /// outlive this.
  Resolver(Loop& loop, std::chrono::nanoseconds ttl);
  Resolver(Loop& loop, std::chrono::nanoseconds ttl, const Timeouts& timeouts);
  ~Resolver() override;
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  Resolver(Resolver&&) = delete;
  Resolver& operator=(Resolver&&) = delete;

  /// A name that is being asked for is not asked for again: the answer is for all who wait, in the
  /// order in which they came.
  std::unique_ptr<PendingLookup> look_up(const HostName& name,
                                         std::function<void(const LookupAnswer&)> done) override;
  std::unique_ptr<PendingLookup> look_up_afresh(
    const HostName& name,
    std::function<void(const LookupAnswer&)> done) override;

private:
  class Job;
  class Listener;
  struct Kept
  {
    LookupAnswer answer;
    TimePoint until;
  };

  /// The one that is asking for the name; null: none.
  [[nodiscard]] Job* asking(const HostName& name) const;
  Job& add_job(const HostName& name);
  [[nodiscard]] const LookupAnswer* kept(const HostName& name);
  void keep(const HostName& name, const LookupAnswer& answer);
  void on_job_done();
  void deliver();

  Loop& loop_;
  std::chrono::nanoseconds ttl_;
  Timeouts timeouts_;
  std::list<std::unique_ptr<Job>> jobs_;
  std::map<HostName, Kept> kept_;
  Timer delivery_; ///< answers are given from here, whoever brought them
};

/// Looks a name up and runs the loop meanwhile: at the start, when nothing else is to be served.
/// Throws Interrupted on `loop.stop()`.
[[nodiscard]] LookupAnswer resolve_now(Loop& loop, NameResolver& names, const HostName& name);

} // namespace slirpstack
