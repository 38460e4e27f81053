#include "flow/flow_statistics.hh"

#include "wire/ip.hh"

namespace slirpstack {

namespace {

FlowStatistics::Counters& counters_of(FlowStatistics::All& all, const Relay& relay)
{
  using Kind = FlowStatistics::Kind;
  const std::uint8_t protocol = relay.key().protocol;
  const Kind kind = protocol == PROTOCOL_TCP   ? Kind::tcp
                    : protocol == PROTOCOL_UDP ? Kind::udp
                                               : Kind::icmp;
  return all[static_cast<std::size_t>(kind)];
}

void add(FlowTraffic& sum, const FlowTraffic& more)
{
  sum.to_host_bytes += more.to_host_bytes;
  sum.to_guest_bytes += more.to_guest_bytes;
}

} // namespace

void FlowStatistics::on_opened(const Relay& relay)
{
  ++counters_of(ended_, relay).opened;
}

void FlowStatistics::on_closed(const Relay& relay)
{
  Counters& counters = counters_of(ended_, relay);
  ++counters.closed;
  add(counters.traffic, relay.record().traffic);
}

void FlowStatistics::on_failed(const Relay& relay, std::string_view)
{
  ++counters_of(ended_, relay).failed;
}

FlowStatistics::All FlowStatistics::now(const FlowTable& flows) const
{
  All all = ended_;
  flows.for_each([&](const Relay& relay) {
    if (relay.record().announced) {
      add(counters_of(all, relay).traffic, relay.record().traffic);
    }
  });
  return all;
}

std::string_view FlowStatistics::kind_name(Kind kind)
{
  static constexpr std::array<std::string_view, 3> NAMES{"tcp", "udp", "icmp"};
  return NAMES.at(static_cast<std::size_t>(kind));
}

} // namespace slirpstack
