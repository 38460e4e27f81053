#include "host/resolver.hh"

#include "host/name_query.hh"

#include <algorithm>
#include <fmt/format.h>
#include <list>
#include <stdexcept>
#include <utility>
#include <vector>

namespace slirpstack {

namespace {

constexpr std::size_t MAX_KEPT = 256;

std::string server_text(const IpAddress& address, std::uint16_t port)
{
  return Endpoint{address, port}.to_string();
}

} // namespace

/// Whoever waits for an answer. Destroyed, it hears nothing.
class Resolver::Listener final : public PendingLookup
{
public:
  Listener(Job& job, std::function<void(const LookupAnswer&)> done);
  ~Listener() override;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  Listener(Listener&&) = delete;
  Listener& operator=(Listener&&) = delete;

  void job_has_gone() { job_ = nullptr; }
  [[nodiscard]] std::function<void(const LookupAnswer&)> take_done() { return std::move(done_); }

private:
  Job* job_;
  std::list<Listener*>::iterator place_; ///< among the job's
  std::function<void(const LookupAnswer&)> done_;
};

/// A name being looked up, step by step: the server's own address, the SRV record, its target.
class Resolver::Job
{
public:
  Job(Resolver& resolver, HostName name) : resolver_(resolver), name_(std::move(name)) {}
  ~Job()
  {
    for (Listener* const listener : listeners_) {
      listener->job_has_gone();
    }
  }
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  Job(Job&&) = delete;
  Job& operator=(Job&&) = delete;

  void start()
  {
    if (const auto literal = IpAddress::parse(name_.name); literal && !name_.server) {
      finish({.addresses = {*literal}, .error = {}});
    } else if (!name_.server) {
      ask_system(name_.name, [this](const LookupAnswer& answer) { finish(answer); });
    } else if (const auto server = IpAddress::parse(name_.server->host)) {
      ask_server(*server);
    } else {
      ask_system(name_.server->host, [this](const LookupAnswer& answer) {
        if (answer.addresses.empty()) {
          finish(srv_failure());
        } else {
          next_step_ = [this, server = answer.addresses.front()] { ask_server(server); };
          resolver_.on_job_done();
        }
      });
    }
  }

  /// A step that must not be taken from inside c-ares. False: the answer is there.
  [[nodiscard]] bool take_next_step()
  {
    if (const auto step = std::exchange(next_step_, nullptr)) {
      step();
      return true;
    }
    return !finished_;
  }
  void finish(const LookupAnswer& answer)
  {
    answer_ = answer;
    finished_ = true;
    resolver_.on_job_done();
  }

  std::list<Listener*>::iterator add(Listener& listener)
  {
    return listeners_.insert(listeners_.end(), &listener);
  }
  void remove(std::list<Listener*>::iterator place)
  {
    listeners_.erase(place);
    if (listeners_.empty() && !finished_) {
      query_.reset(); // nobody wants to know
      finished_ = true;
      resolver_.on_job_done();
    }
  }
  /// The next one to be told; null: all have been.
  Listener* take_listener()
  {
    if (listeners_.empty()) {
      return nullptr;
    }
    Listener* const listener = listeners_.front();
    listeners_.pop_front();
    listener->job_has_gone();
    return listener;
  }

  [[nodiscard]] const HostName& name() const { return name_; }
  [[nodiscard]] bool finished() const { return finished_; }
  /// The answer is one that had been kept.
  void set_kept() { was_kept_ = true; }
  [[nodiscard]] bool was_kept() const { return was_kept_; }
  [[nodiscard]] const LookupAnswer& answer() const { return answer_; }

private:
  void ask(const std::string& server, std::chrono::milliseconds patience)
  {
    query_ = std::make_unique<NameQuery>(resolver_.loop_, server, patience);
  }
  void ask_system(const std::string& name, NameQuery::Done done)
  {
    try {
      ask("", resolver_.timeouts_.system);
      query_->ask_addresses(name, std::move(done));
    } catch (const std::runtime_error& error) {
      finish({.addresses = {}, .error = fmt::format("lookup {}: {}", name, error.what())});
    }
  }
  void ask_server(const IpAddress& server)
  {
    try {
      ask(server_text(server, name_.server->port), resolver_.timeouts_.srv);
    } catch (const std::runtime_error&) {
      finish(srv_failure());
      return;
    }
    query_->ask_service(name_.name, [this](const NameQuery::Service& service) {
      if (service.target.empty()) {
        finish(srv_failure());
        return;
      }
      query_->ask_addresses(service.target, [this, service](const LookupAnswer& answer) {
        on_target(service, answer);
      });
    });
  }
  void on_target(const NameQuery::Service& service, LookupAnswer answer)
  {
    answer.port = service.port;
    if (!answer.addresses.empty()) {
      finish(answer);
      return;
    }
    // The server does not know its own record's target: perhaps the system does.
    next_step_ = [this, service] {
      ask_system(service.target, [this, port = service.port](LookupAnswer system) {
        system.port = port;
        finish(system);
      });
    };
    resolver_.on_job_done();
  }
  [[nodiscard]] LookupAnswer srv_failure() const
  {
    return {.addresses = {},
            .error = fmt::format("Failed to lookup SRV \"{}\" on \"{}:{}\"",
                                 name_.name,
                                 name_.server->host,
                                 name_.server->port)};
  }

  Resolver& resolver_;
  HostName name_;
  /// In the order in which they came. A guest can have thousands of connections wait.
  std::list<Listener*> listeners_;
  std::unique_ptr<NameQuery> query_;
  std::function<void()> next_step_;
  LookupAnswer answer_;
  bool finished_ = false;
  bool was_kept_ = false;
};

Resolver::Listener::Listener(Job& job, std::function<void(const LookupAnswer&)> done)
  : job_(&job), place_(job.add(*this)), done_(std::move(done))
{}

Resolver::Listener::~Listener()
{
  if (job_ != nullptr) {
    job_->remove(place_);
  }
}

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
