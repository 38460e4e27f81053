#pragma once

#include "host/name_query.hh"
#include "host/resolver.hh"

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>

namespace slirpstack {

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

/// A name being looked up, step by step: the server's own address, the SRV record, its target. Its
/// answers come from inside c-ares, so it is the resolver that tells the listeners, later.
class Resolver::Job
{
public:
  /// `resolver` owns it.
  Job(Resolver& resolver, HostName name) : resolver_(resolver), name_(std::move(name)) {}
  ~Job();
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  Job(Job&&) = delete;
  Job& operator=(Job&&) = delete;

  void start();
  /// A step that must not be taken from inside c-ares. False: the answer is there.
  [[nodiscard]] bool take_next_step();
  void finish(const LookupAnswer& answer);

  std::list<Listener*>::iterator add(Listener& listener);
  /// The last one to leave ends the question.
  void remove(std::list<Listener*>::iterator place);
  /// The next one to be told; null: all have been.
  Listener* take_listener();

  [[nodiscard]] const HostName& name() const { return name_; }
  [[nodiscard]] bool finished() const { return finished_; }
  /// The answer is one that had been kept.
  void set_kept() { was_kept_ = true; }
  [[nodiscard]] bool was_kept() const { return was_kept_; }
  [[nodiscard]] const LookupAnswer& answer() const { return answer_; }

private:
  /// Throws std::runtime_error.
  void ask(const std::string& server, std::chrono::milliseconds patience);
  void ask_system(const std::string& name, NameQuery::Done done);
  void ask_server(const IpAddress& server);
  void on_target(const NameQuery::Service& service, LookupAnswer answer);
  [[nodiscard]] LookupAnswer srv_failure() const;

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

} // namespace slirpstack
