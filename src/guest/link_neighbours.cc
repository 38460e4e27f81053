// Who has which address on the link: ARP and Neighbor Solicitations, which the link answers for all
// addresses but the guest's own.

#include "guest/link.hh"
#include "wire/arp.hh"
#include "wire/ethernet.hh"
#include "wire/ndp.hh"

#include <algorithm>
#include <array>

namespace slirpstack {

void Link::announce(const IpAddress& gateway, const IpAddress& guest)
{
  if (!device_.is_ethernet) {
    return;
  }
  std::array<std::uint8_t, ArpPacket::SIZE_BYTES> request{};
  Writer writer(request);
  ArpPacket{.operation = ARP_REQUEST,
            .sender_mac = our_mac(),
            .sender_address = gateway,
            .target_mac = {},
            .target_address = guest}
    .write(writer);
  const std::array<iovec, 1> pieces{iovec{request.data(), request.size()}};
  write_frame(ETHERTYPE_ARP, {.pieces = pieces});
}

bool Link::is_guest_address(const IpAddress& address) const
{
  return std::ranges::find(guest_addresses_, address) != guest_addresses_.end();
}

void Link::on_arp(ByteView frame)
{
  const Parsed<ArpPacket> arp = ArpPacket::parse(frame);
  if (!arp) {
    drops_.count(arp.drop());
    return;
  }
  learn(arp->sender_mac);
  // Not for the guest's own addresses, nor while it makes sure of one: an announcement asks for
  // its sender, a probe has none (RFC 5227).
  const IpAddress& target = arp->target_address;
  if (arp->operation != ARP_REQUEST || arp->sender_address == target
      || arp->sender_address.is_unspecified() || is_guest_address(target)) {
    return;
  }
  std::array<std::uint8_t, ArpPacket::SIZE_BYTES> answer{};
  Writer writer(answer);
  ArpPacket{.operation = ARP_REPLY,
            .sender_mac = our_mac(),
            .sender_address = target,
            .target_mac = arp->sender_mac,
            .target_address = arp->sender_address}
    .write(writer);
  const std::array<iovec, 1> pieces{iovec{answer.data(), answer.size()}};
  write_frame(ETHERTYPE_ARP, {.pieces = pieces});
}

void Link::answer_solicitation(const IpHeader& ip, ByteView message)
{
  const Parsed<NeighborSolicitation> solicitation = NeighborSolicitation::parse(ip, message);
  if (!solicitation) {
    drops_.count(solicitation.drop());
    return;
  }
  // From the unspecified address the guest makes sure of one of its own (RFC 4862 5.4).
  if (ip.source.is_unspecified() || is_guest_address(solicitation->target)) {
    return;
  }
  const NeighborAdvertisement answer{.target = solicitation->target,
                                     .target_link_layer = our_mac(),
                                     .router = true,
                                     .solicited = true,
                                     .override = true};
  send_whole(answer.packet(solicitation->target, ip.source).bytes());
}

} // namespace slirpstack
