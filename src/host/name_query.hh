#pragma once

#include "flow/name_resolver.hh"
#include "host/loop.hh"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

struct ares_channeldata;
struct ares_addrinfo;

namespace slirpstack {

/// One question to the DNS, on a c-ares channel of its own, which goes with it. `done` may be told
/// from inside c-ares: it must not destroy the query.
class NameQuery
{
public:
  using Done = std::function<void(const LookupAnswer&)>;
  /// What an SRV record says; an empty target: there was none.
  struct Service
  {
    std::string target;
    std::uint16_t port = 0;
  };

  /// `server`: the only one to be asked, `IP:PORT`, an IPv6 address in brackets; empty: the
  /// system's own configuration, /etc/hosts included. Throws std::runtime_error.
  NameQuery(Loop& loop, const std::string& server, std::chrono::milliseconds patience);
  ~NameQuery();
  NameQuery(const NameQuery&) = delete;
  NameQuery& operator=(const NameQuery&) = delete;
  NameQuery(NameQuery&&) = delete;
  NameQuery& operator=(NameQuery&&) = delete;

  /// A and AAAA. One question at a time.
  void ask_addresses(const std::string& name, Done done);
  void ask_service(const std::string& name, std::function<void(const Service&)> done);

private:
  struct Callbacks;

  void on_ready(int descriptor, bool readable, bool writable);
  void restart_timer();
  void give_up();
  [[nodiscard]] LookupAnswer answer(int status, const ares_addrinfo* found) const;

  Loop& loop_;
  ares_channeldata* channel_ = nullptr;
  std::map<int, Poll> polls_;
  Timer timer_;
  TimePoint deadline_;
  std::string name_;
  Done done_;
  std::function<void(const Service&)> service_done_;
};

} // namespace slirpstack
