#pragma once

#include "accel/binding_writer.hh"
#include "accel/expiry.hh"
#include "accel/guest_offload.hh"
#include "base/block_pool.hh"
#include "nat_bed.hh"
#include "wire/ethernet.hh"

#include <algorithm>

namespace slirpstack::test {

/// The NAT's programs with all of their slow path but the gateway, which is taken to allow
/// everything: what a program hands to slirpstack is offered, and given back if it is taken.
class SlowPath
{
public:
  explicit SlowPath(NatHook hook,
                    const PortPool::Options& ports = {},
                    const BindingWriter::Limits& limits = {})
    : nat(hook)
    , writer(nat.object(), PortPool(addresses(), ports, HashSecret{1, 2}), limits)
    , offload(writer, nat.object(), {.ifindex = 1}, HashSecret{3, 4})
    , expiry(nat.object(), {}, {}, &writer)
  {
    nat.settings.flags = NAT_ASK_REMOTES;
    nat.settings.gateway = IpAddress::parse("10.0.0.1")->ipv4_value();
    nat.apply();
    nat.set_tap();
  }

  static FlowKey flow_of(const Packet& packet)
  {
    const bool is_icmp = packet.protocol == PROTOCOL_ICMP || packet.protocol == PROTOCOL_ICMPV6;
    return {packet.protocol,
            packet.source,
            {packet.destination.address, is_icmp ? std::uint16_t{0} : packet.destination.port}};
  }
  OffloadAnswer offer(const Packet& packet,
                      TimePoint now = Clock::now(),
                      const MacAddress& sender = GUEST_MAC)
  {
    return offer_to(offload, packet, now, sender);
  }
  OffloadAnswer offer_to(FlowOffload& taker,
                         const Packet& packet,
                         TimePoint now = Clock::now(),
                         const MacAddress& sender = GUEST_MAC)
  {
    const Bytes bytes = frame({GATEWAY_MAC, sender, {}}, build(packet));
    GuestPacket held{.block = pool.take_large(),
                     .offset_bytes = EthernetHeader::SIZE_BYTES,
                     .length_bytes
                     = static_cast<std::uint32_t>(bytes.size() - EthernetHeader::SIZE_BYTES)};
    std::ranges::copy(bytes, held.block->data());
    FlowRecord record;
    record.request = {.direction = FlowDirection::out,
                      .protocol = packet.protocol,
                      .source = packet.source.address,
                      .destination = flow_of(packet).remote};
    const FlowKey key = flow_of(packet);
    return taker.offer({key, held, {}}, record, now);
  }
  /// The way of a flow's first packet. Returns what becomes of it in the end.
  Outcome opens(const Packet& packet)
  {
    const Bytes sent = frame(FROM_GUEST, build(packet));
    const std::uint64_t before = nat.counted(NAT_TO_SLIRPSTACK);
    const Outcome first = nat.from_guest(packet);
    REQUIRE(nat.counted(NAT_TO_SLIRPSTACK) == before + 1);
    REQUIRE(first.frame == sent);
    REQUIRE(offer(packet) == OffloadAnswer::taken);
    return nat.run("nat_tap", sent);
  }
  /// Whether a packet of the guest is handed to slirpstack.
  bool is_asked_about(const Packet& packet)
  {
    const std::uint64_t before = nat.counted(NAT_TO_SLIRPSTACK);
    const Outcome outcome = nat.from_guest(packet);
    return nat.counted(NAT_TO_SLIRPSTACK) == before + 1
           && outcome.frame == frame(FROM_GUEST, build(packet));
  }
  [[nodiscard]] std::size_t bindings() const
  {
    return nat.entries("bindings", sizeof(nat_endpoint));
  }
  [[nodiscard]] std::size_t owners() const { return nat.entries("owners", sizeof(nat_endpoint)); }
  [[nodiscard]] std::size_t sessions() const
  {
    return nat.entries("sessions", sizeof(nat_session_key));
  }

  NatBed nat;
  BlockPool pool{1 << 20};
  BindingWriter writer;
  GuestOffload offload;
  NatExpiry expiry;

private:
  static std::vector<IpAddress> addresses()
  {
    return {*IpAddress::parse("203.0.113.1"), *IpAddress::parse("203.0.113.2")};
  }
};

inline constexpr NatHook BOTH_HOOKS[] = {NatHook::xdp, NatHook::tc};

} // namespace slirpstack::test
