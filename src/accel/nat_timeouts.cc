#include "accel/nat_timeouts.hh"

#include "wire/ip.hh"

#include <algorithm>

namespace slirpstack {

namespace {

constexpr std::chrono::seconds LONGEST_LAG{30};

} // namespace

std::chrono::seconds NatTimeouts::of_session(const nat_session_key& key,
                                             const nat_session& session) const
{
  if (key.protocol != PROTOCOL_TCP || session.state == NAT_TCP_NONE) {
    return key.protocol == PROTOCOL_TCP ? tcp_established : of_binding(key.protocol);
  }
  return (session.flags & NAT_RELEASED) != 0 ? tcp_closing : of_connection(session.state);
}

std::chrono::seconds NatTimeouts::of_connection(std::uint32_t state) const
{
  switch (state) {
    case NAT_TCP_ESTABLISHED:
    case NAT_TCP_FIN_OUT: // RFC 6146 section 3.5.2.2: half-closed is established still
    case NAT_TCP_FIN_IN:
      return tcp_established;
    case NAT_TCP_SYN_OUT:
    case NAT_TCP_SYN_IN:
      return tcp_opening;
    default:
      return tcp_closing;
  }
}

std::chrono::seconds NatTimeouts::of_binding(std::uint8_t protocol) const
{
  switch (protocol) {
    case PROTOCOL_TCP:
      return tcp_closing;
    case PROTOCOL_ICMP:
      return icmp;
    default:
      return udp;
  }
}

std::uint32_t NatTimeouts::recent_ticks() const
{
  const std::chrono::nanoseconds least
    = std::min({udp, tcp_established, tcp_opening, tcp_closing, icmp, 2 * LONGEST_LAG});
  return static_cast<std::uint32_t>(least.count() / 2 / NAT_RECENT_TICK_NS);
}

} // namespace slirpstack
