#include "guest/link.hh"

#include "wire/arp.hh"
#include "wire/checksum.hh"
#include "wire/ethernet.hh"
#include "wire/ndp.hh"
#include "wire/transport_checksum.hh"
#include "wire/udp.hh"
#include "wire/vnet.hh"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace slirpstack {

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr MacAddress GUEST_MAC{{0x02, 0, 0, 0, 0, 7}};
const IpAddress GUEST = IpAddress::parse("10.0.2.100").value();
const IpAddress GUEST6 = IpAddress::parse("fd00::100").value();
const IpAddress SERVER = IpAddress::parse("192.0.2.1").value();
const IpAddress SERVER6 = IpAddress::parse("2001:db8::1").value();

Bytes joined(std::initializer_list<ByteView> parts)
{
  Bytes all;
  for (const ByteView part : parts) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

Bytes ethernet(std::uint16_t ethertype, ByteView payload, const MacAddress& source = GUEST_MAC)
{
  Bytes header(EthernetHeader::SIZE_BYTES);
  Writer writer(header);
  EthernetHeader{.destination = Link::Device().our_mac, .source = source, .ethertype = ethertype}
    .write(writer);
  return joined({header, payload});
}

/// A UDP datagram of the guest.
Bytes datagram(const IpAddress& from, const IpAddress& to)
{
  const Bytes udp{0, 1, 0, 2, 0, 12, 0, 0, 'd', 'a', 't', 'a'};
  IpHeader ip;
  ip.source = from;
  ip.destination = to;
  ip.protocol = PROTOCOL_UDP;
  const SmallPacket packet = SmallPacket::ip(ip, udp);
  return {packet.bytes().begin(), packet.bytes().end()};
}

/// A link on one end of a pair of datagram sockets, whose other end is the guest's kernel.
struct Wire
{
  explicit Wire(bool is_ethernet = true, bool vnet_header = false)
    : Wire(make_pair(), is_ethernet, vnet_header)
  {}

  void guest_sends(const Bytes& frame)
  {
    REQUIRE(::send(guest.get(), frame.data(), frame.size(), 0) >= 0);
    REQUIRE(link.read_batch());
  }
  /// The next frame that the guest gets; empty when there is none.
  Bytes guest_receives()
  {
    Bytes frame(70000);
    const ssize_t length = ::recv(guest.get(), frame.data(), frame.size(), 0);
    frame.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
    return frame;
  }

  FileDescriptor guest;
  BlockPool pool{1 << 20};
  DropCounters drops;
  std::vector<Bytes> packets; ///< what the gateway was given
  std::vector<GuestPacket> last;
  Link link;

private:
  static std::array<int, 2> make_pair()
  {
    std::array<int, 2> fds{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) == 0);
    return fds;
  }
  Wire(const std::array<int, 2>& fds, bool is_ethernet, bool vnet_header)
    : guest(fds[1])
    , link({.fd = FileDescriptor(fds[0]),
            .is_ethernet = is_ethernet,
            .vnet_header = vnet_header,
            .guest_mac = {}},
           pool,
           drops,
           [this](GuestPacket&& packet) {
             const ByteView bytes = packet.bytes();
             packets.emplace_back(bytes.begin(), bytes.end());
             last.clear();
             last.push_back(std::move(packet));
           })
  {}
};

Bytes arp_request(const IpAddress& sender, const IpAddress& target)
{
  Bytes bytes(ArpPacket::SIZE_BYTES);
  Writer writer(bytes);
  ArpPacket{.operation = ARP_REQUEST,
            .sender_mac = GUEST_MAC,
            .sender_address = sender,
            .target_mac = {},
            .target_address = target}
    .write(writer);
  return ethernet(ETHERTYPE_ARP, bytes);
}

Bytes solicitation(const IpAddress& source, const IpAddress& target)
{
  const SmallPacket packet
    = NeighborSolicitation{.target = target, .source_link_layer = GUEST_MAC}.packet(
      source, solicited_node_multicast(target));
  return ethernet(ETHERTYPE_IPV6, packet.bytes());
}

Bytes vnet(const VnetHeader& header, const Bytes& frame)
{
  Bytes bytes(VnetHeader::SIZE_BYTES);
  Writer writer(bytes);
  header.write(writer);
  return joined({bytes, frame});
}

} // namespace

TEST_CASE("a frame's packet reaches the gateway without its headers")
{
  const Bytes packet = datagram(GUEST, SERVER);
  SUBCASE("Ethernet")
  {
    Wire wire;
    wire.guest_sends(ethernet(ETHERTYPE_IPV4, packet));
    CHECK(wire.packets == std::vector<Bytes>{packet});
    CHECK_FALSE(wire.last.front().checksum_trusted);
  }
  SUBCASE("bare IP")
  {
    Wire wire(false);
    wire.guest_sends(packet);
    CHECK(wire.packets == std::vector<Bytes>{packet});
  }
  SUBCASE("Ethernet behind a vnet header")
  {
    Wire wire(true, true);
    wire.guest_sends(vnet({}, ethernet(ETHERTYPE_IPV4, packet)));
    CHECK(wire.packets == std::vector<Bytes>{packet});
  }
}

TEST_CASE("a packet that is given back is the frame that came, headers, padding and all")
{
  Bytes frame = ethernet(ETHERTYPE_IPV4, datagram(GUEST, SERVER));
  frame.resize(frame.size() + 9, 0xab);
  for (const bool has_vnet_header : {false, true}) {
    Wire wire(true, has_vnet_header);
    const Bytes sent = has_vnet_header ? vnet({.flags = VNET_FLAG_DATA_VALID}, frame) : frame;
    wire.guest_sends(sent);
    REQUIRE(wire.last.size() == 1);
    wire.link.give_back(wire.last.front());
    CHECK(wire.guest_receives() == sent);
  }
}

TEST_CASE("a packet in other pieces goes back as if the guest had sent each of them")
{
  const Bytes packet = datagram(GUEST, SERVER);
  const ByteView whole(packet);
  for (const bool has_vnet_header : {false, true}) {
    Wire wire(true, has_vnet_header);
    const Bytes frame = ethernet(ETHERTYPE_IPV4, packet);
    const Bytes sent = has_vnet_header ? vnet({}, frame) : frame;
    wire.guest_sends(sent); // which teaches its Ethernet address
    wire.link.give_back_piece(whole.first(IPV4_HEADER_BYTES), whole.subspan(IPV4_HEADER_BYTES));
    CHECK(wire.guest_receives() == sent);
  }
}

TEST_CASE("ARP is answered for every address but the guest's own")
{
  Wire wire;
  wire.link.set_guest_addresses({GUEST});
  wire.guest_sends(arp_request(GUEST, SERVER));
  const Bytes answer = wire.guest_receives();
  const auto header = EthernetHeader::parse(answer);
  REQUIRE(header);
  CHECK(header->destination == GUEST_MAC);
  CHECK(header->ethertype == ETHERTYPE_ARP);
  const auto arp = ArpPacket::parse(ByteView(answer).subspan(EthernetHeader::SIZE_BYTES));
  REQUIRE(arp);
  CHECK(arp->operation == ARP_REPLY);
  CHECK(arp->sender_address == SERVER);
  CHECK(arp->sender_mac == Link::Device().our_mac);
  CHECK(arp->target_address == GUEST);

  wire.guest_sends(arp_request(SERVER, GUEST));
  wire.guest_sends(arp_request(GUEST, GUEST));        // an announcement
  wire.guest_sends(arp_request(IpAddress(), SERVER)); // a probe, RFC 5227
  CHECK(wire.guest_receives().empty());
  CHECK(wire.packets.empty());
}

TEST_CASE("neighbours are advertised for every address but the guest's own")
{
  Wire wire;
  wire.link.set_guest_addresses({GUEST6});
  wire.guest_sends(solicitation(GUEST6, SERVER6));
  const Bytes frame = wire.guest_receives();
  const ByteView packet = ByteView(frame).subspan(EthernetHeader::SIZE_BYTES);
  const auto ip = IpHeader::parse(packet);
  REQUIRE(ip);
  CHECK(ip->source == SERVER6);
  CHECK(ip->destination == GUEST6);
  CHECK(verify_transport_checksum(*ip, ip->payload(packet)));
  const auto answer = NeighborAdvertisement::parse(*ip, ip->payload(packet));
  REQUIRE(answer);
  CHECK(answer->target == SERVER6);
  CHECK(answer->target_link_layer == Link::Device().our_mac);
  CHECK(answer->solicited);

  wire.guest_sends(solicitation(GUEST6, GUEST6));
  wire.guest_sends(solicitation(IpAddress::any(Family::ipv6), SERVER6)); // RFC 4862 5.4
  CHECK(wire.guest_receives().empty());
  CHECK(wire.packets.empty());
}

TEST_CASE("what is sent goes to the address that the guest's frames came from")
{
  Wire wire;
  const Bytes packet = datagram(SERVER, GUEST);
  wire.link.send_whole(packet);
  CHECK(EthernetHeader::parse(wire.guest_receives())->destination == MAC_BROADCAST);
  wire.guest_sends(ethernet(ETHERTYPE_IPV4, datagram(GUEST, SERVER)));
  wire.link.send_whole(packet);
  const Bytes frame = wire.guest_receives();
  CHECK(EthernetHeader::parse(frame)->destination == GUEST_MAC);
  CHECK(joined({ByteView(frame).subspan(EthernetHeader::SIZE_BYTES)}) == packet);
  // A group address is no one's own.
  wire.guest_sends(ethernet(ETHERTYPE_IPV4, datagram(GUEST, SERVER), MAC_BROADCAST));
  wire.link.send_whole(packet);
  CHECK(EthernetHeader::parse(wire.guest_receives())->destination == GUEST_MAC);
}

TEST_CASE("a device without vnet headers gets finished checksums, also of odd pieces")
{
  for (const bool is_ipv4 : {true, false}) {
    Wire wire(false);
    Bytes packet = datagram(is_ipv4 ? SERVER : SERVER6, is_ipv4 ? GUEST : GUEST6);
    const Bytes wanted = packet;
    const auto ip = IpHeader::parse(packet);
    REQUIRE(ip);
    const std::size_t transport = ip->header_length_bytes;
    const Checksum pseudo = pseudo_header(ip->source,
                                          ip->destination,
                                          PROTOCOL_UDP,
                                          static_cast<std::uint32_t>(packet.size() - transport));
    Writer(MutableBytes(packet).subspan(transport + UDP_CHECKSUM_OFFSET)).u16(pseudo.folded());
    const std::size_t first = transport + UDP_HEADER_BYTES;
    const std::array<iovec, 3> pieces{iovec{packet.data(), first},
                                      iovec{packet.data() + first, 1},
                                      iovec{packet.data() + first + 1, packet.size() - first - 1}};
    wire.link.send({.pieces = pieces,
                    .checksum = ChecksumState::partial,
                    .ip_header_length_bytes = static_cast<std::uint16_t>(transport),
                    .checksum_offset_bytes = UDP_CHECKSUM_OFFSET});
    CHECK(wire.guest_receives() == wanted);
  }
}

TEST_CASE("a device with vnet headers is told where the checksum and the cuts go")
{
  Wire wire(true, true);
  Bytes packet(IPV6_HEADER_BYTES + 20 + 3000);
  packet[0] = 0x60;
  const std::array<iovec, 1> pieces{iovec{packet.data(), packet.size()}};
  wire.link.send({.pieces = pieces,
                  .checksum = ChecksumState::partial,
                  .ip_header_length_bytes = IPV6_HEADER_BYTES,
                  .checksum_offset_bytes = 16,
                  .headers_length_bytes = IPV6_HEADER_BYTES + 20,
                  .segment_size_bytes = 1440});
  const Bytes frame = wire.guest_receives();
  const auto header = VnetHeader::parse(frame);
  REQUIRE(header);
  CHECK(*header
        == VnetHeader{.flags = VNET_FLAG_NEEDS_CSUM,
                      .gso_type = VNET_GSO_TCPV6,
                      .hdr_len = 14 + 60,
                      .gso_size = 1440,
                      .csum_start = 14 + 40,
                      .csum_offset = 16});
  CHECK(frame.size() == VnetHeader::SIZE_BYTES + 14 + packet.size());
}

TEST_CASE("the guest's vnet header is believed only inside its frame")
{
  struct Case
  {
    VnetHeader header;
    bool accepted;
  };
  const Bytes frame = ethernet(ETHERTYPE_IPV4, datagram(GUEST, SERVER));
  const auto size = static_cast<std::uint16_t>(frame.size());
  const auto last = static_cast<std::uint16_t>(size - 2);
  for (const Case& hostile : {
         Case{{.flags = VNET_FLAG_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6}, true},
         Case{{.flags = VNET_FLAG_NEEDS_CSUM, .csum_start = last}, true},
         Case{{.flags = VNET_FLAG_NEEDS_CSUM, .csum_start = size}, false},
         Case{{.flags = VNET_FLAG_NEEDS_CSUM, .csum_start = 65535, .csum_offset = 65535}, false},
         Case{{.hdr_len = 65535}, false},
         Case{{.gso_type = 77, .gso_size = 100}, false},
         Case{{.gso_type = VNET_GSO_TCPV4, .gso_size = 0}, false},
         Case{{.gso_type = VNET_GSO_UDP_L4, .gso_size = 1}, true},
         Case{{.flags = VNET_FLAG_DATA_VALID}, true},
       }) {
    CAPTURE(int{hostile.header.flags});
    CAPTURE(hostile.header.csum_start);
    CAPTURE(int{hostile.header.gso_type});
    Wire wire(true, true);
    wire.guest_sends(vnet(hostile.header, frame));
    CHECK(wire.packets.size() == (hostile.accepted ? 1 : 0));
    CHECK(wire.drops.of(Drop::bad_vnet_header) == (hostile.accepted ? 0 : 1));
    if (hostile.accepted) {
      CHECK(wire.last.front().checksum_trusted == (hostile.header.flags != 0));
      CHECK(wire.last.front().segment_size_bytes
            == (hostile.header.gso_type == VNET_GSO_UDP_L4 ? 1 : 0));
    }
  }
}

TEST_CASE("every truncation of a frame is dropped by name or passed on whole")
{
  const Bytes frame = vnet({}, solicitation(GUEST6, SERVER6));
  for (std::size_t length = 1; length < frame.size(); ++length) {
    CAPTURE(length);
    Wire wire(true, true);
    wire.guest_sends({frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(length)});
    CHECK(wire.guest_receives().empty());
    CHECK(wire.drops.of(Drop::truncated) + wire.packets.size() == 1);
  }
}

TEST_CASE("a packet of another version than its ethertype says is dropped")
{
  Wire wire;
  wire.guest_sends(ethernet(ETHERTYPE_IPV6, datagram(GUEST, SERVER)));
  wire.guest_sends(ethernet(ETHERTYPE_IPV4, datagram(GUEST6, SERVER6)));
  CHECK(wire.packets.empty());
  CHECK(wire.drops.of(Drop::bad_header) == 2);
}

TEST_CASE("frames of other kinds, and the link's own chatter, end at the link")
{
  Wire wire;
  wire.guest_sends(ethernet(0x88cc, Bytes(40))); // LLDP
  CHECK(wire.drops.of(Drop::unknown_ethertype) == 1);
  for (const std::uint8_t type : {130, 133, 134, 136, 137, 143}) {
    IpHeader ip;
    ip.source = GUEST6;
    ip.destination = IpAddress::parse("ff02::2").value();
    ip.protocol = PROTOCOL_ICMPV6;
    const Bytes message{type, 0, 0, 0, 0, 0, 0, 0};
    wire.guest_sends(ethernet(ETHERTYPE_IPV6, SmallPacket::ip(ip, message).bytes()));
  }
  CHECK(wire.packets.empty());
  CHECK(wire.guest_receives().empty());
}

TEST_CASE("a guest that has gone is noticed, and one that takes nothing loses by name")
{
  SUBCASE("takes nothing")
  {
    Wire wire;
    const Bytes packet = datagram(SERVER, GUEST);
    constexpr int SENT = 200000; // more than is kept for it
    for (int i = 0; i < SENT; ++i) {
      wire.link.send_whole(packet);
    }
    CHECK(wire.drops.of(Drop::tap_full) > 0);
    CHECK(wire.drops.of(Drop::tap_full) < SENT);
  }
  SUBCASE("takes all, but later")
  {
    Wire wire;
    constexpr std::uint16_t SENT = 500; // its queue holds about ten
    for (std::uint16_t i = 0; i < SENT; ++i) {
      Bytes packet = datagram(SERVER, GUEST);
      Writer(MutableBytes(packet).last(2)).u16(i);
      wire.link.send_whole(packet);
    }
    CHECK(wire.link.has_waiting());
    for (std::uint16_t i = 0; i < SENT; ++i) {
      const Bytes frame = wire.guest_receives();
      REQUIRE(frame.size() > 2);
      CHECK(Reader(ByteView(frame).last(2)).u16() == i);
      wire.link.send_waiting();
    }
    CHECK_FALSE(wire.link.has_waiting());
    CHECK(wire.drops.of(Drop::tap_full) == 0);
  }
  SUBCASE("has gone")
  {
    Wire wire;
    CHECK(wire.link.read_batch());
    wire.guest = FileDescriptor();
    wire.link.send_whole(datagram(SERVER, GUEST));
    CHECK(wire.drops.of(Drop::tap_full) == 1);
  }
}

} // namespace slirpstack
