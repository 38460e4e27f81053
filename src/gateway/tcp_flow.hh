#pragma once

#include "flow/flow_table.hh"
#include "flow/guest_packet.hh"
#include "wire/ip.hh"

#include <cstdint>

namespace slirpstack {

/// A TCP flow at one of its stages, each of which is a type of its own:
///
///     GuestOpening    the guest's SYN is parked while the host connects
///     HostOpening     a client of the host waits while the guest is asked
///     TcpRelay        both ends are there: bytes move, then the ends are closed
///
/// The next stage takes the flow's place in the table (FlowTable::replace).
class TcpFlow : public Relay
{
public:
  using Relay::Relay;

  /// A segment of this flow; its options have been checked.
  virtual void on_segment(GuestPacket&& packet, const IpHeader& ip, std::uint8_t flags) = 0;
  /// Whether the guest's new SYN may take over this flow's name (RFC 6191).
  [[nodiscard]] virtual bool gives_way_to_syn() const { return false; }
};

} // namespace slirpstack
