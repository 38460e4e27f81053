// Flows that are handed over to an offload, and those that are not.

#include "flow/forward.hh"
#include "flow/map_edit.hh"
#include "scenario/packets.hh"
#include "scenario/tcp_guest.hh"
#include "wire/checksum.hh"
#include "wire/fragment.hh"

#include <algorithm>
#include <doctest/doctest.h>

namespace slirpstack {

namespace {

using namespace std::chrono_literals;
using Bytes = std::vector<std::uint8_t>;

const Endpoint GUEST = endpoint("10.0.2.100", 40000);
const Endpoint SERVER = endpoint("192.0.2.1", 80);
const Endpoint OTHER = endpoint("192.0.2.2", 80);

/// An offload in memory that does as it is told.
class FakeOffload final : public FlowOffload
{
public:
  explicit FakeOffload(OffloadAnswer first_answer = OffloadAnswer::taken) : answer(first_answer) {}

  [[nodiscard]] bool carries(const FlowKey& key) const override
  {
    return std::ranges::any_of(flows_, [&](const auto& flow) { return flow.first == key; });
  }
  [[nodiscard]] bool was_carried(const FlowKey& key) const override
  {
    return std::ranges::find(known, key.to_string()) != known.end();
  }
  void end_former(const FlowKey& key) override { std::erase(known, key.to_string()); }
  [[nodiscard]] bool may_carry(const IpAddress& guest) const override
  {
    return guest.is_ipv4() || carries_ipv6;
  }
  OffloadAnswer offer(const FlowOffer& offer, FlowRecord& record, TimePoint /*now*/) override
  {
    offered.push_back(offer.key.to_string());
    sources.push_back(offer.source);
    if (answer == OffloadAnswer::taken) {
      flows_.emplace_back(offer.key, std::move(record));
    }
    return answer;
  }
  std::size_t end_if(const std::function<bool(FlowRecord&)>& ends, TimePoint /*now*/) override
  {
    return std::erase_if(flows_, [&](auto& flow) { return ends(flow.second); });
  }
  void drop_records() override { flows_.clear(); }
  void for_each(const std::function<void(const FlowKey&, const FlowRecord&)>& visit) const override
  {
    for (const auto& [key, record] : flows_) {
      visit(key, record);
    }
  }
  [[nodiscard]] std::size_t size() const override { return flows_.size(); }

  [[nodiscard]] std::size_t mtu_towards(const IpAddress& /*remote*/) const override
  {
    return mtu_bytes;
  }

  OffloadAnswer answer;
  std::size_t mtu_bytes = SIZE_MAX;
  bool carries_ipv6 = false;
  std::vector<std::string> offered;
  std::vector<std::optional<IpAddress>> sources;
  std::vector<std::string> known; ///< flows of a predecessor

private:
  std::vector<std::pair<FlowKey, FlowRecord>> flows_;
};

/// The offload outlives the gateway.
struct Offloaded
{
  explicit Offloaded(const Gateway::Settings& settings = World::settings()) : world(settings)
  {
    world.gateway.set_offload(offload);
  }
  FakeOffload offload;
  World world;
};

Bytes packet(std::uint8_t protocol, const Endpoint& from, const Endpoint& to, ByteView transport)
{
  Bytes bytes(IPV4_HEADER_BYTES + transport.size());
  Writer writer(bytes);
  IpHeader ip;
  ip.source = from.address;
  ip.destination = to.address;
  ip.protocol = protocol;
  ip.header_length_bytes = IPV4_HEADER_BYTES;
  ip.total_length_bytes = static_cast<std::uint32_t>(bytes.size());
  write_ip_header(writer, ip);
  writer.bytes(transport);
  fill_transport_checksum(ip, MutableBytes(bytes).subspan(IPV4_HEADER_BYTES));
  return bytes;
}

/// With Don't Fragment.
Bytes unsplittable(Bytes packet)
{
  packet[6] = 0x40;
  packet[10] = packet[11] = 0;
  Checksum sum;
  sum.add(ByteView(packet).first(IPV4_HEADER_BYTES));
  Writer(MutableBytes(packet).subspan(10)).u16(sum.finish());
  return packet;
}

/// What the pieces are together.
Bytes reassembled(const std::vector<Bytes>& pieces)
{
  DropCounters drops;
  Reassembler reassembler(drops);
  Bytes whole;
  for (const Bytes& piece : pieces) {
    const auto result = reassembler.add(*IpHeader::parse(piece), piece, {});
    if (const auto* const packet = std::get_if<Reassembler::Packet>(&result)) {
      whole = *packet;
    }
  }
  return whole;
}

Bytes datagram(const Endpoint& from, const Endpoint& to, std::size_t data_bytes = 4)
{
  Bytes bytes(UDP_HEADER_BYTES + data_bytes);
  Writer writer(bytes);
  UdpHeader{from.port, to.port, static_cast<std::uint16_t>(bytes.size()), 0}.write(writer);
  return packet(PROTOCOL_UDP, from, to, bytes);
}

Bytes echo(const Endpoint& from, const Endpoint& to)
{
  Bytes bytes(ICMP_HEADER_BYTES);
  Writer writer(bytes);
  IcmpEcho{.identifier = from.port, .sequence = 1, .data = {}}.write(
    writer, from.address, to.address);
  return packet(PROTOCOL_ICMP, from, to, bytes);
}

Bytes opening_segment(World& world, const Endpoint& from = GUEST, const Endpoint& to = SERVER)
{
  return TcpGuest(world, from, to).packet(syn());
}

/// Sends a packet as it comes from a tap: behind 10 bytes of vnet header and 14 of Ethernet, with a
/// byte of padding. Returns the frame.
Bytes sends_frame(World& world, const Bytes& packet)
{
  constexpr std::uint32_t HEADERS_BYTES = 24;
  Bytes frame;
  for (std::uint8_t i = 0; i < HEADERS_BYTES; ++i) {
    frame.push_back(0xe0U + i);
  }
  frame.insert(frame.end(), packet.begin(), packet.end());
  frame.push_back(0xab);
  Block block = world.pool.take_large();
  std::ranges::copy(frame, block->data());
  world.gateway.on_packet({.block = std::move(block),
                           .offset_bytes = HEADERS_BYTES,
                           .length_bytes = static_cast<std::uint32_t>(packet.size() + 1)});
  world.settle();
  return frame;
}

/// A datagram in two fragments.
void sends_in_fragments(World& world, const Endpoint& from, const Endpoint& to)
{
  const Bytes whole = datagram(from, to, 1000);
  const auto piece = [&](std::size_t offset, std::size_t length, bool more) {
    Bytes bytes(whole.begin(), whole.begin() + IPV4_HEADER_BYTES);
    const auto begin = whole.begin() + static_cast<std::ptrdiff_t>(IPV4_HEADER_BYTES + offset);
    bytes.insert(bytes.end(), begin, begin + static_cast<std::ptrdiff_t>(length));
    Writer header(MutableBytes(bytes).subspan(2));
    header.u16(static_cast<std::uint16_t>(bytes.size()));
    header.u16(7); // identification
    header.u16(static_cast<std::uint16_t>((more ? 0x2000U : 0U) | offset / 8));
    bytes[10] = bytes[11] = 0;
    Checksum sum;
    sum.add(ByteView(bytes).first(IPV4_HEADER_BYTES));
    const std::uint16_t checksum = sum.finish();
    bytes[10] = static_cast<std::uint8_t>(checksum >> 8U);
    bytes[11] = static_cast<std::uint8_t>(checksum);
    world.guest_sends(bytes);
  };
  piece(0, 504, true);
  piece(504, UDP_HEADER_BYTES + 1000 - 504, false);
  world.settle();
}

std::size_t sockets(const World& world)
{
  return world.host.streams() + world.host.datagram_sockets() + world.host.pings();
}

void use(World& world, std::string_view text)
{
  world.gateway.set_rules({parse_rules(text), world.now()}, nullptr);
  world.settle();
}

} // namespace

TEST_CASE("a flow that is taken needs no socket, and its frame goes back byte for byte")
{
  Offloaded at;
  for (const Bytes& first :
       {opening_segment(at.world), datagram(GUEST, SERVER), echo(GUEST, SERVER)}) {
    CAPTURE(first[9]);
    const Bytes frame = sends_frame(at.world, first);
    CHECK(at.world.link.take_given_back() == std::vector<Bytes>{frame});
  }
  CHECK(at.offload.offered
        == std::vector<std::string>{"tcp 10.0.2.100:40000 -> 192.0.2.1:80",
                                    "udp 10.0.2.100:40000 -> 192.0.2.1:80",
                                    "icmp 10.0.2.100:40000 -> 192.0.2.1"});
  CHECK(sockets(at.world) == 0);
  CHECK(at.world.gateway.flows().size() == 0);
  CHECK(at.world.gateway.flows_handed_over() == 3);
  at.world.expects_nothing();
}

TEST_CASE("flows that are handed over are told of, beside those of the table")
{
  Offloaded at;
  at.world.guest_sends(datagram(GUEST, SERVER));
  std::vector<std::string> told;
  at.world.gateway.for_each_handed_over([&](const FlowKey& key, const FlowRecord& record) {
    CHECK(record.origin == FlowOrigin::outbound);
    told.push_back(key.to_string());
  });
  CHECK(told == at.offload.offered);
  CHECK(told.size() == 1);
}

TEST_CASE("the record goes with a flow that is taken")
{
  Offloaded at;
  use(at.world, "allow 192.0.2.1 flows 5\n");
  sends_frame(at.world, opening_segment(at.world));
  at.offload.for_each([&](const FlowKey& key, const FlowRecord& record) {
    CHECK(key.remote == SERVER);
    CHECK(record.request.destination == SERVER);
    CHECK(record.origin == FlowOrigin::outbound);
    CHECK(record.grant.rule() == at.world.gateway.policy().rules().rules()[0].get());
  });
  CHECK(at.offload.size() == 1);
}

TEST_CASE("what is denied is never offered, and refused as ever")
{
  Offloaded at;
  use(at.world, "deny 192.0.2.1\n");
  at.world.guest_sends(opening_segment(at.world));
  at.world.expects_icmp(3, 13);
  at.world.guest_sends(datagram(GUEST, SERVER));
  at.world.expects_icmp(3, 13);
  at.world.guest_sends(echo(GUEST, SERVER));
  at.world.expects_icmp(3, 13);
  at.world.guest_sends(datagram(GUEST, endpoint("203.0.113.9", 53))); // beside the host
  at.world.expects_icmp(3, 13);
  CHECK(at.offload.offered.empty());
  CHECK(at.world.link.take_given_back().empty());
}

TEST_CASE("services of ours, forwards and IPv6 are never offered")
{
  Offloaded at;
  const ForwardDefaults defaults{.guest_ipv4 = GUEST.address,
                                 .guest_ipv6 = endpoint("fd00::100", 0).address,
                                 .gateway_ipv4 = endpoint("10.0.2.2", 0).address,
                                 .gateway_ipv6 = endpoint("fd00::2", 0).address};
  for (const char* forward :
       {"tcp://192.0.2.9:80:127.0.0.1:8080", "udp://192.0.2.9:80:127.0.0.1:8080"}) {
    at.world.gateway.forwards().add(plan_forward(
      with_defaults(ForwardSpec::parse(ForwardDirection::remote, forward), defaults), {}));
  }
  const Endpoint forwarded = endpoint("192.0.2.9", 80);
  at.world.guest_sends(opening_segment(at.world, GUEST, forwarded));
  at.world.guest_sends(datagram(GUEST, forwarded));
  at.world.guest_sends(opening_segment(at.world, GUEST, endpoint("10.0.2.3", 53)));
  at.world.guest_sends(datagram(GUEST, endpoint("10.0.2.3", 53)));
  at.world.guest_sends(opening_segment(at.world, GUEST, endpoint("10.0.2.2", 80)));
  at.world.guest_sends(datagram(GUEST, endpoint("10.0.2.2", 80)));
  at.world.guest_sends(echo(GUEST, endpoint("10.0.2.2", 0)));
  at.world.guest_sends(
    opening_segment(at.world, endpoint("fd00::100", 40000), endpoint("2001:db8::1", 80)));
  CHECK(at.offload.offered.empty());
  CHECK(at.world.link.take_given_back().empty());
  CHECK(at.world.host.datagram_sockets() == 1); // the forward
}

TEST_CASE("a flow that begins in fragments is offered, and goes back in pieces that fit its way")
{
  Offloaded at;
  at.offload.mtu_bytes = 500;
  sends_in_fragments(at.world, GUEST, SERVER);
  CHECK(at.offload.offered == std::vector<std::string>{"udp 10.0.2.100:40000 -> 192.0.2.1:80"});
  const auto pieces = at.world.link.take_given_back();
  CHECK(pieces.size() == 3);
  CHECK(reassembled(pieces).size() == IPV4_HEADER_BYTES + UDP_HEADER_BYTES + 1000);
  CHECK(sockets(at.world) == 0);
}

TEST_CASE("what names its own routers is dropped and counted, whoever it is for")
{
  for (const std::uint8_t option : {131, 137}) { // loose and strict source route
    Offloaded at;
    for (const Endpoint& to : {SERVER, endpoint("10.0.2.2", 80), endpoint("10.0.2.3", 53)}) {
      Bytes bytes = datagram(GUEST, to);
      const Bytes route{option, 7, 4, 203, 0, 113, 1, 0};
      bytes.insert(bytes.begin() + IPV4_HEADER_BYTES, route.begin(), route.end());
      bytes[0] = 0x47;
      bytes[3] = static_cast<std::uint8_t>(bytes.size());
      bytes[10] = bytes[11] = 0;
      Checksum sum;
      sum.add(ByteView(bytes).first(IPV4_HEADER_BYTES + route.size()));
      Writer(MutableBytes(bytes).subspan(10)).u16(sum.finish());
      at.world.guest_sends(bytes);
    }
    CHECK(at.world.gateway.drops().of(Drop::source_routed) == 3);
    CHECK(at.offload.offered.empty());
    CHECK(sockets(at.world) == 0);
    at.world.expects_nothing();
  }
}

TEST_CASE("a flow that is not taken is relayed by a socket")
{
  Offloaded at;
  at.offload.answer = OffloadAnswer::declined;
  TcpGuest guest(at.world, GUEST, SERVER);
  guest.connects();
  guest.sends(data("hello"));
  CHECK(guest.host().sent() == "hello");
  at.world.guest_sends(datagram(GUEST, SERVER));
  at.world.guest_sends(echo(GUEST, SERVER));
  at.world.settle();
  CHECK(at.world.host.datagrams(0).sent().size() == 1);
  CHECK(at.world.host.ping(0).sent().size() == 1);
  CHECK(at.offload.offered.size() == 3);
  CHECK(at.world.gateway.flows().size() == 3);
  CHECK(at.world.link.take_given_back().empty());
}

TEST_CASE("what a socket carries is never offered, nor else what comes from its endpoint")
{
  Offloaded at;
  at.offload.answer = OffloadAnswer::declined;
  at.world.guest_sends(datagram(GUEST, SERVER));
  at.world.guest_sends(echo(GUEST, SERVER));
  TcpGuest guest(at.world, GUEST, SERVER);
  guest.connects();
  at.offload.offered.clear();
  at.offload.answer = OffloadAnswer::taken;
  at.world.guest_sends(datagram(GUEST, SERVER));
  at.world.guest_sends(datagram(GUEST, OTHER));
  at.world.guest_sends(echo(GUEST, SERVER));
  at.world.guest_sends(echo(GUEST, OTHER));
  guest.sends(data("more"));
  CHECK(at.offload.offered.empty());
  CHECK(at.world.host.datagram_sockets() == 1); // RFC 4787 REQ-1
  CHECK(at.world.host.pings() == 1);
  // Another endpoint, and with TCP another connection, is another matter.
  at.world.guest_sends(datagram(endpoint("10.0.2.100", 40001), SERVER));
  at.world.guest_sends(opening_segment(at.world, GUEST, OTHER));
  CHECK(at.offload.offered.size() == 2);
}

TEST_CASE("packets of a carried flow that still come go back without being asked about again")
{
  Offloaded at;
  use(at.world, "allow any new 2\n");
  for (int i = 0; i < 5; ++i) {
    sends_frame(at.world, datagram(GUEST, SERVER));
    sends_frame(at.world, opening_segment(at.world));
  }
  TcpGuest guest(at.world, GUEST, SERVER);
  guest.sends(ack());
  CHECK(at.world.link.take_given_back().size() == 11);
  CHECK(at.offload.offered.size() == 2);
  CHECK(at.world.gateway.policy().rules().rules()[0]->limited == 0);
  at.world.expects_nothing();
}

TEST_CASE("a segment in the middle of nothing is reset, not handed over")
{
  Offloaded at;
  TcpGuest guest(at.world, GUEST, SERVER);
  guest.sends(ack());
  guest.expects(RST);
  CHECK(at.offload.offered.empty());
}

TEST_CASE(
  "a carried flow's datagram that came in fragments goes back in fragments that fit its way")
{
  for (const std::size_t mtu_bytes : {68, 400, 1500}) {
    CAPTURE(mtu_bytes);
    Offloaded at;
    at.offload.mtu_bytes = mtu_bytes;
    sends_frame(at.world, datagram(GUEST, SERVER));
    at.world.link.take_given_back();
    sends_in_fragments(at.world, GUEST, SERVER);
    CHECK(sockets(at.world) == 0);
    const std::vector<Bytes> pieces = at.world.link.take_given_back();
    for (const Bytes& piece : pieces) {
      CHECK(piece.size() <= mtu_bytes);
    }
    const Bytes whole = pieces.size() == 1 ? pieces[0] : reassembled(pieces);
    CHECK(ByteView(whole).subspan(IPV4_HEADER_BYTES).size() == UDP_HEADER_BYTES + 1000);
    CHECK(whole.back() == datagram(GUEST, SERVER, 1000).back());
  }
}

TEST_CASE(
  "a carried flow's packet that is too large for its way goes back in pieces, its first too")
{
  Offloaded at;
  at.offload.mtu_bytes = 576;
  const Bytes large = datagram(GUEST, SERVER, 1200);
  for (int i = 0; i < 2; ++i) {
    sends_frame(at.world, large);
    const std::vector<Bytes> pieces = at.world.link.take_given_back();
    CHECK(pieces.size() == 3);
    CHECK(reassembled(pieces) == large);
  }
  const Bytes fits = sends_frame(at.world, datagram(GUEST, SERVER, 576 - 29));
  CHECK(at.world.link.take_given_back() == std::vector<Bytes>{fits});
  at.world.expects_nothing();
}

TEST_CASE("a packet that must not be cut goes back whole, for the kernel to answer")
{
  Offloaded at;
  at.offload.mtu_bytes = 576;
  const Bytes frame = sends_frame(at.world, unsplittable(datagram(GUEST, SERVER, 1200)));
  CHECK(at.world.link.take_given_back() == std::vector<Bytes>{frame});
}

TEST_CASE("a carried flow's fragments that fit its way in no pieces are dropped and counted")
{
  Offloaded at;
  sends_frame(at.world, datagram(GUEST, SERVER));
  at.world.link.take_given_back();
  at.offload.mtu_bytes = 27;
  sends_in_fragments(at.world, GUEST, SERVER);
  CHECK(sockets(at.world) == 0);
  CHECK(at.world.link.take_given_back().empty());
  CHECK(at.world.gateway.drops().of(Drop::fragment_carried) == 1);
}

TEST_CASE("out of ports and over the quota is host unreachable; no socket stands in")
{
  for (const OffloadAnswer answer : {OffloadAnswer::exhausted, OffloadAnswer::quota}) {
    Offloaded at;
    at.offload.answer = answer;
    for (const Bytes& first :
         {opening_segment(at.world), datagram(GUEST, SERVER), echo(GUEST, SERVER)}) {
      at.world.guest_sends(first);
      at.world.expects_icmp(3, 1); // RFC 6888 REQ-11B
    }
    CHECK(sockets(at.world) == 0);
    CHECK(at.world.gateway.flows().size() == 0);
    CHECK(at.world.gateway.drops().of(Drop::too_many_flows) == 3);
    CHECK(at.world.link.take_given_back().empty());
  }
}

TEST_CASE("a flow handed over counts under its rule and its destination until it ends")
{
  Gateway::Settings settings = World::settings();
  settings.admission.max_flows_per_destination = 1;
  for (const bool by_rule : {true, false}) {
    CAPTURE(by_rule);
    Offloaded at(by_rule ? World::settings() : settings);
    if (by_rule) {
      use(at.world, "allow any flows 1\n");
    }
    at.world.guest_sends(datagram(GUEST, SERVER));
    const Endpoint second = endpoint("10.0.2.100", 40001);
    at.world.guest_sends(datagram(second, SERVER));
    at.world.expects_icmp(3, 13);
    CHECK(at.offload.offered.size() == 1);
    at.offload.end_if([](FlowRecord&) { return true; }, at.world.now());
    at.world.guest_sends(datagram(second, SERVER));
    at.world.expects_nothing();
    CHECK(at.offload.size() == 1);
  }
}

TEST_CASE("a refusal by the offload takes up no place")
{
  Offloaded at;
  use(at.world, "allow any flows 1\n");
  at.offload.answer = OffloadAnswer::exhausted;
  at.world.guest_sends(datagram(GUEST, SERVER));
  at.world.expects_icmp(3, 1);
  CHECK(at.world.gateway.policy().rules().rules()[0]->flows == 0);
  at.offload.answer = OffloadAnswer::taken;
  at.world.guest_sends(datagram(GUEST, SERVER));
  at.world.expects_nothing();
}

TEST_CASE("a full flow table refuses what needs a socket, not what is handed over")
{
  Gateway::Settings settings = World::settings();
  settings.max_flows = 1;
  Offloaded at(settings);
  at.offload.answer = OffloadAnswer::declined;
  at.world.guest_sends(datagram(GUEST, SERVER));
  at.world.guest_sends(datagram(endpoint("10.0.2.100", 40001), SERVER));
  at.world.expects_icmp(3, 13);
  CHECK(at.world.gateway.refused_for_limit() == 1);
  at.offload.answer = OffloadAnswer::taken;
  at.world.guest_sends(datagram(endpoint("10.0.2.100", 40002), SERVER));
  at.world.expects_nothing();
  CHECK(at.offload.size() == 1);
  CHECK(at.world.gateway.flows().size() == 1);
}

TEST_CASE("bytes a second are kept to by a socket")
{
  Offloaded at;
  use(at.world, "allow 192.0.2.1 rate 100K\nallow any\n");
  at.world.guest_sends(opening_segment(at.world));
  CHECK(at.world.host.streams() == 1);
  at.world.guest_sends(opening_segment(at.world, GUEST, OTHER));
  CHECK(at.world.host.streams() == 1);
  CHECK(at.offload.offered.size() == 1);
}

TEST_CASE("a reload ends flows handed over that it denies, or that only a socket can limit")
{
  Offloaded at;
  for (const Endpoint& server : {SERVER, OTHER, endpoint("192.0.2.3", 80)}) {
    at.world.guest_sends(datagram(GUEST, server));
  }
  const RuleSet all
    = {parse_rules("deny 192.0.2.1\nallow 192.0.2.2 rate 1M\nallow any flows 9\n"), at.world.now()};
  std::size_t ended = 0;
  at.world.gateway.set_rules(all, [&](std::size_t count) { ended = count; });
  CHECK(ended == 2);
  CHECK(at.offload.size() == 1);
  at.offload.for_each([](const FlowKey& key, const FlowRecord&) {
    CHECK(key.remote.address.to_string() == "192.0.2.3");
  });
  CHECK(at.world.gateway.policy().rules().rules()[2]->flows == 1);
}

TEST_CASE("a connection that a predecessor's offload carried goes on, if policy allows it still")
{
  Offloaded at;
  use(at.world, "deny 192.0.2.2\nallow any\n");
  at.offload.known
    = {"tcp 10.0.2.100:40000 -> 192.0.2.1:80", "tcp 10.0.2.100:40000 -> 192.0.2.2:80"};
  TcpGuest guest(at.world, GUEST, SERVER);
  const Bytes frame = sends_frame(at.world, guest.packet({.flags = TCP_FLAG_ACK, .data = "more"}));
  CHECK(at.world.link.take_given_back() == std::vector<Bytes>{frame});
  CHECK(at.offload.size() == 1);
  at.world.expects_nothing();
  const auto is_reset = [&](const Endpoint& to) {
    TcpGuest other(at.world, GUEST, to);
    sends_frame(at.world, other.packet({.flags = TCP_FLAG_ACK, .data = "more"}));
    return (other.hears().tcp.flags & TCP_FLAG_RST) != 0;
  };
  CHECK(is_reset(OTHER));
  CHECK(at.offload.known.size() == 1); // denied now, it has ended
  CHECK(is_reset(endpoint("192.0.2.3", 80)));
  CHECK(at.offload.size() == 1);
  at.offload.answer = OffloadAnswer::declined; // no socket can take it up
  at.offload.drop_records();
  CHECK(is_reset(SERVER));
  CHECK(sockets(at.world) == 0);
}

TEST_CASE("the gateway's end leaves no record behind, and ends nothing that is carried")
{
  FakeOffload offload;
  {
    World world;
    world.gateway.set_offload(offload);
    world.guest_sends(datagram(GUEST, SERVER));
    CHECK(offload.size() == 1);
  }
  CHECK(offload.size() == 0);
}

TEST_CASE("a flow of a mapped address is offered with the address that it has to leave from")
{
  Offloaded at;
  World& world = at.world;
  at.offload.carries_ipv6 = true;
  apply_edits(world.gateway.prefixes(), parse_map_batch("add eth0 fd00:1::/64 2001:db8:2::/64\n"));
  const Endpoint inside = endpoint("fd00:1::7", 4000);
  const Endpoint server = endpoint("2001:db8:99::1", 80);
  const auto sends = [&](const Endpoint& from, const Endpoint& to) {
    world.guest_sends(udp_packet(from, to));
    world.settle();
  };
  sends(inside,
        server); // the host does not take what is sent there: refused, as without an offload
  CHECK(at.offload.offered.empty());
  world.host_takes("2001:db8:2::/64");
  sends({inside.address, 4001}, server);
  REQUIRE(at.offload.sources.size() == 1);
  CHECK(at.offload.sources[0] == endpoint("2001:db8:2::7", 0).address);
  sends(endpoint("fd00::100", 4002), server);               // not mapped
  sends({inside.address, 4003}, endpoint("fd00:1::9", 80)); // on this side of the map
  CHECK(at.offload.offered.size() == 1);
}

} // namespace slirpstack
