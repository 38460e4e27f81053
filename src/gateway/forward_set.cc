#include "gateway/forward_set.hh"

#include "base/error.hh"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace slirpstack {

namespace {

/// A wildcard of either family means both, on a socket each: a datagram's answer has to leave from
/// the address that it came to, which only a socket of its own family can be told.
std::vector<ListenOptions> sockets_of(const LocalForward& forward)
{
  const Endpoint& bind = std::get<Endpoint>(forward.listen.address);
  if (!bind.address.is_unspecified()) {
    return {forward.listen};
  }
  std::vector<ListenOptions> both;
  for (const Family family : {Family::ipv6, Family::ipv4}) {
    both.push_back(
      {.address = Endpoint{IpAddress::any(family), bind.port}, .device = forward.listen.device});
  }
  return both;
}

[[noreturn]] void throw_not_listening(const LocalForward& forward, const HostError& error)
{
  const std::string& device = forward.listen.device;
  throw ForwardError(error.code,
                     fmt::format("listen on {}://{}{}",
                                 scheme_protocol(forward.scheme) == PROTOCOL_TCP ? "tcp" : "udp",
                                 to_string(forward.listen.address),
                                 device.empty() ? "" : fmt::format(" on device {}", device)));
}

bool has_no_ipv6(const HostError& error)
{
  return error.code == std::errc::address_family_not_supported
         || error.code == std::errc::address_not_available;
}

} // namespace

struct ForwardSet::Entry
{
  Id id = 0;
  ForwardSpec spec;
  std::vector<std::unique_ptr<TcpListener>> tcp;
  std::vector<std::unique_ptr<UdpListener>> udp;
  std::vector<StreamAddress> listening;
  std::vector<RemoteForward> remote;
};

ForwardSet::ForwardSet(TcpRelays& tcp,
                       UdpRelays& udp,
                       FlowTable& flows,
                       const EventTime& time,
                       HostNetwork& host,
                       const PrefixMap& prefixes)
  : tcp_(tcp), udp_(udp), flows_(flows), host_(host), prefixes_(prefixes), proxy_clients_(time)
{}

ForwardSet::~ForwardSet() = default;

ForwardSet::Info ForwardSet::add(const ForwardPlan& plan)
{
  auto entry = std::make_unique<Entry>(Entry{.id = last_id_ + 1, .spec = plan.spec});
  for (const LocalForward& planned : plan.local) {
    const LocalForward forward = bindable(planned);
    if (scheme_protocol(forward.scheme) == PROTOCOL_TCP) {
      listen(forward, *entry);
    } else {
      listen_for_datagrams(forward, *entry);
    }
  }
  for (const RemoteForward& forward : plan.remote) {
    if (const Match taken = find(scheme_protocol(forward.scheme), forward.match); taken.forward) {
      throw UsageError(
        fmt::format("{} is forwarded already, by forward {}", forward.match.to_string(), taken.id));
    }
  }
  entry->remote = plan.remote;
  for (const RemoteForward& forward : entry->remote) {
    remote_[{scheme_protocol(forward.scheme), forward.match}] = {&forward, entry->id};
  }
  last_id_ = entry->id;
  const Entry& added = *entries_.emplace(entry->id, std::move(entry)).first->second;
  return info(added);
}

LocalForward ForwardSet::bindable(LocalForward forward) const
{
  const auto* const bind = std::get_if<Endpoint>(&forward.listen.address);
  forward.listen.is_foreign
    = bind != nullptr && prefixes_.to_internal(bind->address).mapping != nullptr;
  return forward;
}

void ForwardSet::listen(const LocalForward& forward, Entry& entry)
{
  auto listener = std::make_unique<TcpListener>(tcp_, proxy_clients_, prefixes_, forward, entry.id);
  if (const HostError error = listener->open(host_); error.code) {
    throw_not_listening(forward, error);
  }
  entry.listening.push_back(listener->address());
  entry.tcp.push_back(std::move(listener));
}

void ForwardSet::listen_for_datagrams(const LocalForward& forward, Entry& entry)
{
  std::uint16_t port = std::get<Endpoint>(forward.listen.address).port;
  const std::size_t before = entry.udp.size();
  for (ListenOptions& options : sockets_of(forward)) {
    auto& bind = std::get<Endpoint>(options.address);
    bind.port = port; // where the host has chosen one, both sockets have the same
    auto listener = std::make_unique<UdpListener>(udp_, prefixes_, forward, entry.id);
    const HostError error = listener->open(host_, options);
    if (error.code && bind.address == IpAddress::any(Family::ipv6) && has_no_ipv6(error)) {
      continue; // a host without IPv6
    }
    if (error.code) {
      throw_not_listening(forward, error);
    }
    port = listener->port();
    if (entry.udp.size() == before) {
      entry.listening.emplace_back(Endpoint{bind.address, port});
    }
    entry.udp.push_back(std::move(listener));
  }
}

bool ForwardSet::remove(Id id, Removal removal)
{
  const auto found = entries_.find(id);
  if (found == entries_.end()) {
    return false;
  }
  const std::unique_ptr<Entry> entry = std::move(found->second);
  entries_.erase(found);
  std::erase_if(remote_, [&](const auto& match) { return match.second.id == id; });
  for (auto& listener : entry->udp) {
    listener->stop_accepting();
    draining_.push_back(std::move(listener));
  }
  if (removal == Removal::end) {
    flows_.finish_if([&](const Relay& relay) { return relay.record().forward == id; });
  }
  return true;
}

void ForwardSet::sweep_drained()
{
  std::erase_if(draining_, [](const auto& listener) { return listener->clients() == 0; });
}

std::vector<ForwardSet::Info> ForwardSet::list() const
{
  std::vector<Info> all;
  for (const auto& [id, entry] : entries_) {
    all.push_back(info(*entry));
  }
  flows_.for_each([&](const Relay& relay) {
    const Id id = relay.record().forward;
    const auto found = std::ranges::lower_bound(all, id, {}, &Info::id);
    if (found != all.end() && found->id == id) {
      ++found->flows;
    }
  });
  return all;
}

ForwardSet::Info ForwardSet::info(const Entry& entry) const
{
  Info info{.id = entry.id, .spec = entry.spec, .listening = entry.listening};
  for (const RemoteForward& forward : entry.remote) {
    info.matching.push_back(forward.match);
  }
  return info;
}

ForwardSet::Match ForwardSet::find(std::uint8_t protocol, const Endpoint& destination) const
{
  const auto found = remote_.find({protocol, destination});
  return found == remote_.end() ? Match() : found->second;
}

} // namespace slirpstack
