#include "gateway/forward_set.hh"

#include "base/error.hh"
#include "gateway/held_port.hh"
#include "wire/ip.hh"
#include "wire/protocol_name.hh"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <list>
#include <utility>

namespace slirpstack {

namespace {

// How often the host is asked for another port when the one that it chose for IPv6 is taken over
// IPv4. Even with nine of ten ports taken, one in 800 tries fails.
constexpr int PORT_CHOICES = 64;

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
                                 protocol_name(scheme_protocol(forward.scheme)),
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
  std::list<HeldPort> held; ///< of `listening`; as long as flows may use them
  std::vector<RemoteForward> remote;
};

ForwardSet::ForwardSet(TcpRelays& tcp,
                       UdpRelays& udp,
                       FlowTable& flows,
                       const EventTime& time,
                       HostNetwork& host,
                       const PrefixMap& prefixes,
                       const Policy& policy)
  : tcp_(tcp)
  , udp_(udp)
  , flows_(flows)
  , time_(time)
  , host_(host)
  , prefixes_(prefixes)
  , published_(policy, time)
  , proxy_clients_(time)
{}

ForwardSet::~ForwardSet() = default;

ForwardSet::Info ForwardSet::add(const ForwardPlan& plan)
{
  auto entry = std::make_unique<Entry>(Entry{.id = last_id_ + 1, .spec = plan.spec});
  for (const LocalForward& planned : plan.local) {
    if (published_.is_about(planned)) {
      continue;
    }
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
  hold_ports(*entry);
  publish(plan.local, *entry);
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

/// The sockets' own, which are all that is listening as yet.
void ForwardSet::hold_ports(Entry& entry)
{
  PortPublisher* const publisher = published_.publisher();
  if (publisher == nullptr) {
    return;
  }
  const std::uint8_t protocol = scheme_protocol(entry.spec.scheme);
  for (const StreamAddress& listening : entry.listening) {
    if (const auto* const endpoint = std::get_if<Endpoint>(&listening)) {
      entry.held.emplace_back(*publisher, time_, protocol, *endpoint);
    }
  }
}

void ForwardSet::publish(const std::vector<LocalForward>& forwards, Entry& entry)
{
  try {
    for (const LocalForward& forward : forwards) {
      if (published_.is_about(forward)) {
        published_.open(forward, entry.id);
        entry.listening.emplace_back(forward.listen.address);
      }
    }
  } catch (const std::exception&) {
    published_.close(entry.id); // all of it or nothing
    throw;
  }
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
  const auto& bind = std::get<Endpoint>(forward.listen.address);
  for (int choice = 1;; ++choice) {
    UdpListeners listeners;
    const HostError error = open_sockets(forward, entry.id, listeners);
    if (!error.code) {
      const IpAddress address = bind.address.is_unspecified()
                                  ? IpAddress::any(listeners.front()->family())
                                  : bind.address;
      entry.listening.emplace_back(Endpoint{address, listeners.front()->port()});
      std::ranges::move(listeners, std::back_inserter(entry.udp));
      return;
    }
    // The port that the host chose for one family may be taken in the other.
    if (bind.port != 0 || error.code != std::errc::address_in_use || choice == PORT_CHOICES) {
      throw_not_listening(forward, error);
    }
  }
}

HostError ForwardSet::open_sockets(const LocalForward& forward, Id id, UdpListeners& listeners)
{
  for (ListenOptions& options : sockets_of(forward)) {
    auto& bind = std::get<Endpoint>(options.address);
    if (!listeners.empty()) {
      bind.port = listeners.front()->port();
    }
    auto listener = std::make_unique<UdpListener>(udp_, prefixes_, forward, id);
    const HostError error = listener->open(host_, options);
    if (error.code && bind.address == IpAddress::any(Family::ipv6) && has_no_ipv6(error)) {
      continue; // a host without IPv6
    }
    if (error.code) {
      return error;
    }
    listeners.push_back(std::move(listener));
  }
  return {};
}

bool ForwardSet::remove(Id id, Removal removal)
{
  const auto found = entries_.find(id);
  if (found == entries_.end()) {
    return false;
  }
  stop_accepting(*found->second);
  if (removal == Removal::end) {
    end(*found->second);
    draining_.erase(id);
    entries_.erase(found);
  } else {
    draining_.insert(id);
  }
  return true;
}

void ForwardSet::stop_accepting(Entry& entry)
{
  std::erase_if(remote_, [&](const auto& match) { return match.second.id == entry.id; });
  published_.close(entry.id);
  entry.tcp.clear();
  for (auto& listener : entry.udp) {
    listener->stop_accepting();
  }
}

void ForwardSet::end(Entry& entry)
{
  flows_.finish_if([&](const Relay& relay) { return relay.record().forward == entry.id; });
  for (auto& listener : entry.udp) {
    listener->close();
    ended_.push_back(std::move(listener));
  }
}

void ForwardSet::flush()
{
  const auto is_unused = [](const auto& listener) { return listener->clients() == 0; };
  std::erase_if(ended_, is_unused);
  std::erase_if(draining_, [&](Id id) {
    const auto found = entries_.find(id);
    const bool is_drained
      = flows_.flows_of_forward(id) == 0 && std::ranges::all_of(found->second->udp, is_unused);
    if (is_drained) {
      entries_.erase(found);
    }
    return is_drained;
  });
}

std::vector<ForwardSet::Info> ForwardSet::list() const
{
  std::vector<Info> all;
  for (const auto& [id, entry] : entries_) {
    all.push_back(info(*entry));
  }
  return all;
}

ForwardSet::Info ForwardSet::info(const Entry& entry) const
{
  Info info{.id = entry.id,
            .spec = entry.spec,
            .listening = entry.listening,
            .flows = flows_.flows_of_forward(entry.id),
            .is_published = published_.has(entry.id),
            .draining = draining_.contains(entry.id)};
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
