#include "gateway/gateway.hh"

#include "base/log.hh"
#include "wire/transport_checksum.hh"

#include <algorithm>
#include <cstring>
#include <utility>
#include <variant>

namespace slirpstack {

namespace {

constexpr std::uint16_t DNS_PORT = 53;

bool is_control_chatter(Denial denial)
{
  // mDNS, SSDP, DHCP and the like come by themselves and are no one's mistake.
  return denial == Denial::multicast_or_broadcast || denial == Denial::unspecified_address;
}

} // namespace

Gateway::Gateway(const Settings& settings,
                 PacketSink& guest,
                 HostNetwork& host,
                 BlockPool& pool,
                 Sources sources)
  : settings_(settings)
  , time_{}
  , guest_(guest)
  , pool_(pool)
  , policy_(settings.policy)
  , icmp_(guest, settings.addresses.gateway_ipv4, settings.addresses.gateway_ipv6)
  , sender_(guest, sources.random_id())
  , reassembler_(drops_)
  , stack_(guest, pool, sources.secret)
  , sources_(std::move(sources))
  , dns_(settings.dns,
         time_,
         host,
         drops_,
         sources_.resolvers,
         sources_.random_id,
         [this](const Endpoint& to, const Endpoint& from, ByteView message) {
           sender_.send_udp(from, to, message);
         })
  , flows_(sources_.secret, settings.max_flows)
  , tcp_(settings.tcp, time_, stack_, pool, host, flows_, guest, icmp_, drops_)
  , udp_(settings.udp, sources_.secret, time_, host, flows_, sender_, icmp_, drops_)
  , ping_(settings.ping, sources_.secret, time_, host, flows_, sender_, icmp_, drops_)
{}

Gateway::~Gateway()
{
  close_all();
}

void Gateway::set_time(TimePoint now)
{
  time_.now = now;
  stack_.set_time(now);
}

void Gateway::on_packet(GuestPacket&& packet)
{
  const Parsed<IpHeader> ip = IpHeader::parse(packet.bytes());
  if (!ip) {
    drops_.count(ip.drop());
    return;
  }
  if (ip->is_fragment()) {
    on_fragment(packet, *ip);
  } else {
    on_whole_packet(std::move(packet), *ip);
  }
}

void Gateway::on_fragment(const GuestPacket& packet, const IpHeader& ip)
{
  Reassembler::Result result = reassembler_.add(ip, packet.bytes(), time_.now);
  if (const Drop* drop = std::get_if<Drop>(&result)) {
    drops_.count(*drop);
  }
  const auto* whole = std::get_if<Reassembler::Packet>(&result);
  if (whole == nullptr) {
    return;
  }
  const Parsed<IpHeader> header = IpHeader::parse(*whole);
  if (!header || header->is_fragment()) { // fragments within fragments: nobody honest sends them
    drops_.count(Drop::bad_header);
    return;
  }
  const auto length = static_cast<std::uint32_t>(whole->size());
  Block block = pool_.take_small(length);
  std::memcpy(block->data(), whole->data(), length);
  // Who sent it in pieces allows pieces on the way.
  IpHeader relayed = *header;
  relayed.dont_fragment = false;
  on_whole_packet({.block = std::move(block), .length_bytes = length}, relayed);
}

bool Gateway::acceptable(const GuestPacket& packet, const IpHeader& ip)
{
  const IpAddress& source = ip.source;
  if (source.is_multicast() || source.is_unspecified() || source.is_loopback() || is_ours(source)) {
    drops_.count(Drop::spoofed_source);
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
  if (ip.hop_limit <= 1 && !is_ours(ip.destination)) {
    icmp_.report(IcmpErrorKind::time_exceeded, 0, packet.bytes().first(ip.total_length_bytes));
    return false;
  }
  return true;
}

void Gateway::on_whole_packet(GuestPacket&& packet, const IpHeader& ip)
{
  if (!acceptable(packet, ip)) {
    return;
  }
  switch (ip.protocol) {
    case PROTOCOL_TCP:
      on_tcp(std::move(packet), ip);
      return;
    case PROTOCOL_UDP:
      on_udp(packet, ip);
      return;
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMPV6:
      on_icmp(packet, ip);
      return;
    case PROTOCOL_NO_NEXT_HEADER:
      return;
    default:
      break;
  }
  drops_.count(Drop::unknown_protocol);
  icmp_.report(IcmpErrorKind::protocol_unreachable, 0, packet.bytes().first(ip.total_length_bytes));
}

void Gateway::on_tcp(GuestPacket&& packet, const IpHeader& ip)
{
  const Parsed<TcpHeader> tcp = TcpHeader::parse(ip.payload(packet.bytes()));
  if (!tcp) {
    drops_.count(tcp.drop());
    return;
  }
  const FlowKey key{
    PROTOCOL_TCP, {ip.source, tcp->source_port}, {ip.destination, tcp->destination_port}};
  const bool is_syn
    = (tcp->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST | TCP_FLAG_FIN)) == TCP_FLAG_SYN;
  auto* relay = static_cast<TcpRelay*>(flows_.find(key)); // NOLINT: the key says which kind it is
  if (relay != nullptr && is_syn && relay->gives_way_to_syn()) {
    flows_.finish(*relay);
    relay = nullptr;
  }
  if (relay != nullptr) {
    relay->on_segment(std::move(packet), ip, tcp->flags);
  } else if (is_syn) {
    on_syn(key, ip, *tcp, packet.bytes());
  } else {
    answer_segment(ip, *tcp);
  }
}

void Gateway::answer_segment(const IpHeader& ip, const TcpHeader& tcp)
{
  const auto reset = reset_for(ip, tcp, ip.payload_length_bytes() - tcp.header_length_bytes);
  if (reset) {
    guest_.send_whole(reset->bytes());
  }
}

void Gateway::on_syn(const FlowKey& key, const IpHeader& ip, const TcpHeader& tcp, ByteView packet)
{
  std::vector<Endpoint> targets;
  if (is_dns(key.remote)) {
    targets = sources_.resolvers();
  } else if (is_ours(key.remote.address)) {
    answer_segment(ip, tcp); // nobody listens on the gateway
    return;
  } else if (admits(key, packet)) {
    targets.push_back(key.remote);
  } else {
    return;
  }
  if (!has_capacity(key)) {
    answer_segment(ip, tcp);
    return;
  }
  tcp_.open(key, ip, tcp, packet, std::move(targets), is_dns(key.remote));
}

void Gateway::on_udp(const GuestPacket& packet, const IpHeader& ip)
{
  const ByteView payload = ip.payload(packet.bytes());
  const Parsed<UdpHeader> udp = UdpHeader::parse(payload);
  if (!udp) {
    drops_.count(udp.drop());
    return;
  }
  const ByteView whole = packet.bytes().first(ip.total_length_bytes);
  const FlowKey key{
    PROTOCOL_UDP, {ip.source, udp->source_port}, {ip.destination, udp->destination_port}};
  if (is_dns(key.remote)) {
    on_dns_query(key, udp->data(payload), packet.segment_size_bytes);
    return;
  }
  if (is_ours(key.remote.address)) {
    icmp_.report(IcmpErrorKind::port_unreachable, 0, whole);
    return;
  }
  Relay* known = flows_.find(key);
  if (known == nullptr) {
    if (!admits(key, whole)) {
      return;
    }
    if (!has_capacity(key)) {
      icmp_.report(IcmpErrorKind::administratively_prohibited, 0, whole);
      return;
    }
  }
  udp_.on_datagram(key,
                   known,
                   {.data = udp->data(payload),
                    .segment_size_bytes = packet.segment_size_bytes,
                    .hop_limit = ip.hop_limit,
                    .dont_fragment = ip.dont_fragment});
}

void Gateway::on_dns_query(const FlowKey& key, ByteView data, std::uint16_t segment_size_bytes)
{
  const std::size_t step = segment_size_bytes == 0 ? data.size() : segment_size_bytes;
  do {
    const ByteView query = data.first(std::min(step, data.size()));
    dns_.on_query(key.guest, key.remote, query);
    data = data.subspan(query.size());
  } while (!data.empty());
}

void Gateway::on_icmp(const GuestPacket& packet, const IpHeader& ip)
{
  const ByteView message = ip.payload(packet.bytes());
  const Parsed<IcmpEcho> echo = IcmpEcho::parse(ip.family(), message);
  if (!echo || echo->is_reply) {
    drops_.count(echo ? Drop::unexpected_type : echo.drop());
    return;
  }
  if (is_ours(ip.destination)) {
    answer_echo(sender_, ip, *echo);
    return;
  }
  const ByteView whole = packet.bytes().first(ip.total_length_bytes);
  const FlowKey key = PingRelays::key_of(ip, *echo);
  Relay* known = flows_.find(key);
  if (known == nullptr) {
    if (!admits(key, whole)) {
      return;
    }
    if (!has_capacity(key)) {
      icmp_.report(IcmpErrorKind::administratively_prohibited, 0, whole); // RFC 5508 REQ-8
      return;
    }
  }
  ping_.on_echo_request(ip, *echo, known);
}

bool Gateway::is_ours(const IpAddress& address) const
{
  const Addresses& ours = settings_.addresses;
  return address == ours.gateway_ipv4 || address == ours.dns_ipv4 || address == ours.gateway_ipv6
         || address == ours.dns_ipv6;
}

bool Gateway::is_dns(const Endpoint& endpoint) const
{
  return endpoint.port == DNS_PORT
         && (endpoint.address == settings_.addresses.dns_ipv4
             || endpoint.address == settings_.addresses.dns_ipv6);
}

bool Gateway::admits(const FlowKey& key, ByteView packet)
{
  const std::optional<Denial> denial = policy_.denial(key.remote.address, sources_.host_networks());
  if (!denial) {
    return true;
  }
  drops_.count(Drop::denied);
  const LogLevel level = is_control_chatter(*denial) ? LogLevel::debug : LogLevel::warning;
  if (log_enabled(level)) {
    log(level, "destination denied", {{"flow", key.to_string()}, {"reason", denial_name(*denial)}});
  }
  const bool no_such_host = *denial == Denial::guest_network;
  icmp_.report(no_such_host ? IcmpErrorKind::host_unreachable
                            : IcmpErrorKind::administratively_prohibited,
               0,
               packet);
  return false;
}

bool Gateway::has_capacity(const FlowKey& key)
{
  if (!flows_.full() || flows_.make_room()) {
    return true;
  }
  ++refused_for_limit_;
  drops_.count(Drop::too_many_flows);
  log(LogLevel::warning,
      "too many flows; new one refused",
      {{"flow", key.to_string()}, {"limit", flows_.capacity()}, {"refused", refused_for_limit_}});
  return false;
}

bool Gateway::flush()
{
  const bool more = tcp_.flush();
  udp_.flush();
  flows_.bury();
  return more;
}

TimePoint Gateway::next_deadline() const
{
  return std::min({flows_.next_deadline(),
                   stack_.next_tick(),
                   dns_.next_deadline(),
                   reassembler_.next_deadline()});
}

void Gateway::on_deadline()
{
  if (stack_.next_tick() <= time_.now) {
    stack_.tick();
  }
  flows_.expire(time_.now);
  dns_.expire();
  for (const Reassembler::Packet& first : reassembler_.expire(time_.now)) {
    icmp_.report(IcmpErrorKind::reassembly_time_exceeded, 0, first);
  }
}

void Gateway::close_all()
{
  flows_.finish_all();
  flows_.bury();
}

} // namespace slirpstack
