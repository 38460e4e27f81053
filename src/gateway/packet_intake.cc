#include "gateway/packet_intake.hh"

#include "wire/ipv4_options.hh"
#include "wire/transport_checksum.hh"

#include <cstring>
#include <utility>
#include <variant>

namespace slirpstack {

PacketIntake::PacketIntake(const OurAddresses& ours,
                           const EventTime& time,
                           BlockPool& pool,
                           IcmpReporter& icmp,
                           DropCounters& drops)
  : ours_(ours), time_(time), pool_(pool), icmp_(icmp), drops_(drops), reassembler_(drops)
{}

std::optional<PacketIntake::Accepted> PacketIntake::take(GuestPacket&& packet)
{
  const Parsed<IpHeader> ip = IpHeader::parse(packet.bytes());
  if (!ip) {
    drops_.count(ip.drop());
    return std::nullopt;
  }
  std::optional<Accepted> whole;
  if (ip->is_fragment()) {
    whole = reassemble(packet, *ip);
  } else {
    whole.emplace(Accepted{std::move(packet), *ip});
  }
  if (whole && !acceptable(whole->packet, whole->ip)) {
    whole.reset();
  }
  return whole;
}

std::optional<PacketIntake::Accepted> PacketIntake::reassemble(const GuestPacket& packet,
                                                               const IpHeader& ip)
{
  Reassembler::Result result = reassembler_.add(ip, packet.bytes(), time_.now);
  if (const Drop* drop = std::get_if<Drop>(&result)) {
    drops_.count(*drop);
  }
  const auto* whole = std::get_if<Reassembler::Packet>(&result);
  if (whole == nullptr) {
    return std::nullopt;
  }
  const Parsed<IpHeader> header = IpHeader::parse(*whole);
  if (!header || header->is_fragment()) { // fragments within fragments: nobody honest sends them
    drops_.count(Drop::bad_header);
    return std::nullopt;
  }
  const auto length = static_cast<std::uint32_t>(whole->size());
  Block block = pool_.take_small(length);
  std::memcpy(block->data(), whole->data(), length);
  // Who sent it in pieces allows pieces on the way.
  IpHeader relayed = *header;
  relayed.dont_fragment = false;
  return Accepted{{.block = std::move(block), .length_bytes = length, .is_reassembled = true},
                  relayed};
}

bool PacketIntake::acceptable(const GuestPacket& packet, const IpHeader& ip)
{
  const IpAddress& source = ip.source;
  if (source.is_multicast() || source.is_broadcast() || source.is_unspecified()
      || source.is_loopback() || ours_.include(source)) {
    drops_.count(Drop::spoofed_source);
    return false;
  }
  if (is_source_routed(ip, packet.bytes())) { // RFC 7126 sections 4.3 and 4.4
    drops_.count(Drop::source_routed);
    return false;
  }
  if (ip.destination.is_multicast()) {
    drops_.count(Drop::multicast);
    return false;
  }
  if (!packet.checksum_trusted && !verify_transport_checksum(ip, ip.payload(packet.bytes()))) {
    drops_.count(Drop::bad_checksum);
    return false;
  }
  if (ip.hop_limit <= 1 && !ours_.include(ip.destination)) {
    icmp_.report(IcmpErrorKind::time_exceeded, 0, packet.bytes().first(ip.total_length_bytes));
    return false;
  }
  return true;
}

void PacketIntake::expire()
{
  for (const Reassembler::Packet& first : reassembler_.expire(time_.now)) {
    icmp_.report(IcmpErrorKind::reassembly_time_exceeded, 0, first);
  }
}

} // namespace slirpstack
