#include "gateway/ping_relays.hh"

#include "base/log.hh"
#include "gateway/ping_mapping.hh"

#include <algorithm>
#include <utility>

namespace slirpstack {

namespace {

constexpr std::size_t FIRST_BUCKETS = 16;

std::uint8_t protocol_of(const IpAddress& address)
{
  return address.is_ipv4() ? PROTOCOL_ICMP : PROTOCOL_ICMPV6;
}

bool is_forbidden(std::error_code code)
{
  return code == std::errc::permission_denied || code == std::errc::operation_not_permitted;
}

} // namespace

PingRelays::PingRelays(const Settings& settings,
                       const HashSecret& secret,
                       const EventTime& time,
                       HostNetwork& host,
                       FlowTable& flows,
                       GuestSender& guest,
                       IcmpReporter& icmp,
                       DropCounters& drops)
  : settings_(settings)
  , time_(time)
  , host_(host)
  , flows_(flows)
  , guest_(guest)
  , icmp_(icmp)
  , drops_(drops)
  , mappings_(FIRST_BUCKETS, FlowKeyHash(secret))
{}

PingRelays::~PingRelays()
{
  for (const auto& [endpoint, mapping] : mappings_) {
    for (const Endpoint& remote : mapping->remotes()) {
      if (Relay* const flow = flows_.find({protocol_of(remote.address), endpoint, remote})) {
        flows_.finish(*flow);
      }
    }
  }
  flows_.bury();
}

FlowKey PingRelays::key_of(const IpHeader& header, const IcmpEcho& request)
{
  return {
    protocol_of(header.destination), {header.source, request.identifier}, {header.destination, 0}};
}

void PingRelays::on_echo_request(const IpHeader& header,
                                 const IcmpEcho& request,
                                 Relay* known,
                                 FlowRecord record)
{
  auto* flow = static_cast<PingFlow*>(known);
  HostError error;
  if (flow == nullptr) {
    flow = open_flow(key_of(header, request), std::move(record), error);
    if (flow == nullptr) {
      drops_.count(Drop::too_many_flows);
      icmp_.report_echo(error, header.source, header.destination, request);
      return;
    }
  }
  flow->touch(time_.now);
  flow->record().traffic.to_host_bytes += request.data.size();
  error = flow->mapping().socket().send(header.destination,
                                        request.sequence,
                                        request.data,
                                        static_cast<std::uint8_t>(header.hop_limit - 1),
                                        header.dont_fragment);
  if (error.code == std::errc::resource_unavailable_try_again
      || error.code == std::errc::no_buffer_space) {
    drops_.count(Drop::host_full);
  } else if (error.code) {
    icmp_.report_echo(error, header.source, header.destination, request);
  }
}

PingFlow* PingRelays::open_flow(const FlowKey& key, FlowRecord record, HostError& error)
{
  PingMapping* const mapping = open_mapping(key.guest, error);
  if (mapping == nullptr) {
    complain(error.code);
    return nullptr;
  }
  auto flow = std::make_unique<PingFlow>(*this, *mapping, key);
  flow->record() = std::move(record);
  auto& inserted = static_cast<PingFlow&>(flows_.insert(std::move(flow)));
  flows_.announce(inserted);
  return &inserted;
}

PingMapping* PingRelays::open_mapping(const Endpoint& guest, HostError& error)
{
  if (const auto found = mappings_.find(guest); found != mappings_.end()) {
    return found->second.get();
  }
  if (mappings_.size() >= settings_.max_mappings) {
    error.code = std::make_error_code(std::errc::too_many_files_open);
    return nullptr;
  }
  const ChosenSource chosen
    = choose_source(settings_.mapped,
                    guest.address,
                    guest.address.is_ipv4() ? settings_.source_ipv4 : settings_.source_ipv6);
  auto mapping = std::make_unique<PingMapping>(*this, guest);
  error = chosen.error.code ? chosen.error : mapping->open(host_, chosen.source);
  if (error.code) {
    return nullptr;
  }
  return mappings_.emplace(guest, std::move(mapping)).first->second.get();
}

void PingRelays::complain(std::error_code code)
{
  if (!is_forbidden(code)) {
    const std::string reason = mappings_.size() >= settings_.max_mappings
                                 ? fmt::format("all {} ping sockets are in use", mappings_.size())
                                 : code.message();
    log(LogLevel::warning, "ping refused", {{"reason", reason}});
    return;
  }
  if (!std::exchange(complained_, true)) {
    log(LogLevel::warning,
        "this host allows no ping sockets, so the guest's pings are refused; "
        "its administrator can allow them to the group of this process",
        {{"sysctl", "net.ipv4.ping_group_range"}});
  }
}

void PingRelays::on_reply(const PingMapping& mapping,
                          const IpAddress& from,
                          const IcmpEcho& reply,
                          std::uint8_t hop_limit)
{
  const Endpoint& guest = mapping.guest();
  Relay* const flow = flows_.find({protocol_of(from), guest, {from, 0}});
  if (flow == nullptr) {
    drops_.count(Drop::unsolicited);
    return;
  }
  static_cast<PingFlow*>(flow)->touch(time_.now);
  flow->record().traffic.to_guest_bytes += reply.data.size();
  const int forwarded_hop_limit = std::max(1, hop_limit - 1);
  guest_.send_echo(from, guest.address, reply, static_cast<std::uint8_t>(forwarded_hop_limit));
}

void PingRelays::on_undelivered(const PingMapping& mapping,
                                const IpAddress& to,
                                const IcmpEcho& request,
                                const HostError& error)
{
  icmp_.report_echo(error, mapping.guest().address, to, request);
}

void PingRelays::on_flow_closed(PingMapping& mapping, const Endpoint& remote)
{
  mapping.remove(remote);
  if (mapping.remotes().empty()) {
    mappings_.erase(Endpoint(mapping.guest()));
  }
}

void answer_echo(GuestSender& guest, const IpHeader& header, const IcmpEcho& request)
{
  IcmpEcho reply = request;
  reply.is_reply = true;
  guest.send_echo(header.destination, header.source, reply);
}

} // namespace slirpstack
