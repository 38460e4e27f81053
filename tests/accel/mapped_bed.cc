#include "mapped_bed.hh"

#include "flow/map_edit.hh"

#include <utility>

namespace slirpstack::test {

namespace {

bool is_between(const Bytes& seen, const Frame& around)
{
  return std::ranges::equal(ByteView(seen).first(6), around.destination.bytes)
         && std::ranges::equal(ByteView(seen).subspan(6, 6), around.source.bytes);
}

} // namespace

MappedBed::MappedBed(NatHook hook)
  : nat(hook), prefixes(nat.object()), flows(nat.object(), {}, {}, [] {})
{
  mappings.allow_open();
  nat.set_tap(ZONE);
  nat.route(Prefix::parse("::/0").value(), 1500);
  map("add eth0 fd00:1::/64 2001:db8:1::/64\nadd eth0 fd00:2::/64 2001:db8:2::/64 neutral\n");
}

void MappedBed::map(std::string_view batch, std::uint8_t zone)
{
  apply_edits(mappings, parse_map_batch(batch));
  REQUIRE(prefixes.set(guest_of(zone), mappings));
}

Endpoint MappedBed::external_of(const Endpoint& guest) const
{
  return {mappings.to_external(guest.address).address.value(), guest.port};
}

void MappedBed::carry(const Packet& packet, MappedFlows& into, std::uint8_t zone) const
{
  nat_mapped flow{};
  flow.ifindex = 1;
  flow.zone = zone;
  std::ranges::copy(packet.source.address.bytes(), std::begin(flow.internal));
  std::ranges::copy(GUEST_MAC.bytes, std::begin(flow.guest_mac));
  const FlowKey key = SlowPath::flow_of(packet);
  REQUIRE(into.add(mapped_key(key, external_of(key.guest).address), flow, 0));
}

Fate MappedBed::run(const char* program, const Bytes& sent)
{
  Outcome outcome = nat.run(program, sent);
  seen = std::move(outcome.frame);
  switch (outcome.verdict) {
    case Verdict::drop:
      return Fate::dropped;
    case Verdict::host:
      return seen == sent ? Fate::host : Fate::garbled;
    case Verdict::redirect:
      break;
  }
  return seen == sent                 ? Fate::slirpstack
         : is_between(seen, TO_WORLD) ? Fate::world
         : is_between(seen, TO_GUEST) ? Fate::guest
                                      : Fate::garbled;
}

Packet request(const Endpoint& guest, std::uint8_t protocol, const Endpoint& remote)
{
  Packet packet = between(guest, remote, protocol);
  packet.icmp_type = ECHO_REQUEST_V6;
  return packet;
}

Packet reply_to(Packet request)
{
  std::swap(request.source, request.destination);
  if (request.protocol == PROTOCOL_ICMPV6) {
    request.source.port = request.destination.port;
    request.icmp_type = ECHO_REPLY_V6;
  }
  request.tcp_flags = TCP_FLAG_SYN | TCP_FLAG_ACK;
  return request;
}

Packet outside(const MappedBed& bed, Packet request)
{
  request.source = bed.external_of(request.source);
  return request;
}

Packet unreachable(const Endpoint& from, const Endpoint& to, const Bytes& quote)
{
  Packet error = between(from, to, PROTOCOL_ICMPV6);
  error.icmp_type = 1;
  error.icmp_code = 4;
  error.icmp_quote = quote;
  return error;
}

} // namespace slirpstack::test
