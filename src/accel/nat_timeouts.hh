#pragma once

#include "slirpstack/nat_map.h"

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace slirpstack {

/// How long bindings and sessions of the NAT in the kernel last without a packet.
struct NatTimeouts
{
  std::chrono::seconds udp{300};              ///< RFC 4787 REQ-5
  std::chrono::seconds tcp_established{7440}; ///< RFC 5382 REQ-5
  std::chrono::seconds tcp_opening{240};      ///< RFC 7857 section 2.1
  std::chrono::seconds tcp_closing{240};      ///< also after a RST (RFC 7857 section 2.2)
  std::chrono::seconds icmp{60};              ///< RFC 5508 REQ-2
  std::chrono::seconds quarantine{120};       ///< RFC 6888 REQ-8
  /// Of more ports that rest the oldest are free at once; 0: any number may rest.
  std::size_t quarantine_ports = 0;

  [[nodiscard]] std::chrono::seconds of_session(const nat_session_key& key,
                                                const nat_session& session) const;
  /// A connection's in that nat_tcp_state.
  [[nodiscard]] std::chrono::seconds of_connection(std::uint32_t state) const;
  /// For TCP: beyond its last connection.
  [[nodiscard]] std::chrono::seconds of_binding(std::uint8_t protocol) const;

  /// nat_settings.recent_ticks: half a minute, or half of the least timeout of a flow.
  [[nodiscard]] std::uint32_t recent_ticks() const;
  /// What a guest sends is noted so late at most.
  [[nodiscard]] std::chrono::nanoseconds lag() const
  {
    return std::chrono::nanoseconds(recent_ticks() * NAT_RECENT_TICK_NS);
  }
};

} // namespace slirpstack
