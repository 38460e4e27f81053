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

FlowRequest request_of(const FlowKey& key)
{
  return {.direction = FlowDirection::out,
          .protocol = key.protocol,
          .source = key.guest.address,
          .destination = key.remote};
}

FlowRecord record_of(const FlowKey& key, FlowOrigin origin, Grant grant, std::uint32_t forward = 0)
{
  return {
    .request = request_of(key), .origin = origin, .forward = forward, .grant = std::move(grant)};
}

/// The settings of a kind of relays that knows the mappings.
template<typename RelaySettings>
RelaySettings mapping(RelaySettings settings, MappedSources& mapped)
{
  settings.mapped = &mapped;
  return settings;
}

/// The flow that a packet of ours belongs to which the guest quotes in an ICMP error.
std::optional<FlowKey> quoted_flow(const IcmpErrorMessage& error)
{
  const ByteView transport = error.transport();
  const std::uint8_t protocol = error.quoted.protocol;
  if (transport.empty() || (protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP)) {
    return std::nullopt;
  }
  Reader ports(transport);
  const std::uint16_t source = ports.u16();
  const std::uint16_t destination = ports.u16();
  return FlowKey{protocol, {error.quoted.destination, destination}, {error.quoted.source, source}};
}

} // namespace

Gateway::Gateway(const Settings& settings,
                 PacketSink& guest,
                 HostNetwork& host,
                 NameResolver& names,
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
  , admission_(settings.admission,
               sources_.secret,
               time_,
               policy_,
               flows_,
               drops_,
               sources_.host_networks)
  , clients_(policy_,
             flows_,
             settings.addresses.gateway_ipv4,
             settings.addresses.gateway_ipv6,
             sources_.random_id())
  , prefixes_(sources_.secret)
  , mapped_(prefixes_, sources_.host_networks)
  , tcp_(mapping(settings.tcp, mapped_),
         time_,
         stack_,
         pool,
         host,
         names,
         flows_,
         admission_,
         clients_,
         guest,
         icmp_,
         drops_)
  , udp_(mapping(settings.udp, mapped_),
         sources_.secret,
         time_,
         host,
         names,
         flows_,
         admission_,
         clients_,
         sender_,
         icmp_,
         drops_)
  , ping_(mapping(settings.ping, mapped_),
          sources_.secret,
          time_,
          host,
          flows_,
          sender_,
          icmp_,
          drops_)
  , forwards_(tcp_, udp_, flows_, time_, host, prefixes_)
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
  auto* relay = static_cast<TcpFlow*>(flows_.find(key)); // NOLINT: the key says which kind it is
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
  OutboundPlan plan;
  FlowOrigin origin = FlowOrigin::outbound;
  Admitted admitted;
  const ForwardSet::Match match = forwards_.find(PROTOCOL_TCP, key.remote);
  if (match.forward != nullptr) {
    origin = FlowOrigin::remote_forward;
    plan = {OutboundPlan::Kind::forward, match.forward->targets, match.forward->scheme};
    admitted = admission_.ask_for_room(key);
  } else if (is_dns(key.remote)) {
    origin = FlowOrigin::service;
    const std::vector<Endpoint> resolvers = sources_.resolvers();
    plan = {OutboundPlan::Kind::dns, {resolvers.begin(), resolvers.end()}};
    admitted = admission_.ask_for_service(request_of(key), key);
  } else if (is_ours(key.remote.address)) {
    answer_segment(ip, tcp); // nobody listens on the gateway
    return;
  } else {
    plan.targets.emplace_back(key.remote);
    admitted = admission_.ask(request_of(key), key);
  }
  if (!admitted.granted) {
    refuse_segment(admitted.answer, ip, tcp, packet);
    return;
  }
  tcp_.open_from_guest(key,
                       ip,
                       tcp,
                       packet,
                       std::move(plan),
                       record_of(key, origin, std::move(admitted.grant), match.id));
}

void Gateway::refuse_segment(RefusalAnswer answer,
                             const IpHeader& ip,
                             const TcpHeader& tcp,
                             ByteView packet)
{
  const bool resets
    = answer == RefusalAnswer::nobody_listens || answer == RefusalAnswer::out_of_room
      || (answer != RefusalAnswer::silence && settings_.denial_manner == DenialManner::refused);
  if (resets) {
    answer_segment(ip, tcp);
  } else {
    refuse_packet(answer, packet);
  }
}

void Gateway::refuse_packet(RefusalAnswer answer, ByteView packet)
{
  switch (answer) {
    case RefusalAnswer::silence:
      return;
    case RefusalAnswer::no_such_host:
      if (settings_.denial_manner != DenialManner::refused) {
        icmp_.report(IcmpErrorKind::host_unreachable, 0, packet);
      }
      return;
    case RefusalAnswer::nobody_listens:
      icmp_.report(IcmpErrorKind::port_unreachable, 0, packet);
      return;
    case RefusalAnswer::out_of_room: // RFC 5508 REQ-8
      icmp_.report(IcmpErrorKind::administratively_prohibited, 0, packet);
      return;
    case RefusalAnswer::prohibited:
      break;
  }
  if (settings_.denial_manner == DenialManner::prohibited) {
    icmp_.report(IcmpErrorKind::administratively_prohibited, 0, packet);
  } else if (settings_.denial_manner == DenialManner::unreachable) {
    icmp_.report(IcmpErrorKind::net_unreachable, 0, packet);
  }
}

void Gateway::on_udp(const GuestPacket& packet, const IpHeader& ip)
{
  const ByteView payload = ip.payload(packet.bytes());
  const Parsed<UdpHeader> udp = UdpHeader::parse(payload);
  if (!udp) {
    drops_.count(udp.drop());
    return;
  }
  const FlowKey key{
    PROTOCOL_UDP, {ip.source, udp->source_port}, {ip.destination, udp->destination_port}};
  const GuestDatagram datagram{.data = udp->data(payload),
                               .segment_size_bytes = packet.segment_size_bytes,
                               .hop_limit = ip.hop_limit,
                               .dont_fragment = ip.dont_fragment};
  if (auto* const known
      = static_cast<UdpRelay*>(flows_.find(key))) { // NOLINT: by the key's protocol
    known->on_guest_datagram(datagram);
  } else {
    on_new_datagram(key, datagram, packet.bytes().first(ip.total_length_bytes));
  }
}

void Gateway::on_new_datagram(const FlowKey& key, const GuestDatagram& datagram, ByteView packet)
{
  const ForwardSet::Match match = forwards_.find(PROTOCOL_UDP, key.remote);
  if (match.forward == nullptr && is_dns(key.remote)) {
    on_dns_datagram(key, datagram, packet);
    return;
  }
  if (match.forward == nullptr && is_ours(key.remote.address)) {
    if (settings_.denial_manner != DenialManner::refused) {
      icmp_.report(IcmpErrorKind::port_unreachable, 0, packet);
    }
    return;
  }
  Admitted admitted = match.forward != nullptr ? admission_.ask_for_room(key)
                                               : admission_.ask(request_of(key), key);
  if (!admitted.granted) {
    refuse_packet(admitted.answer, packet);
    return;
  }
  if (match.forward != nullptr) {
    udp_.open_forward(
      key,
      datagram,
      *match.forward,
      record_of(key, FlowOrigin::remote_forward, std::move(admitted.grant), match.id));
  } else {
    udp_.open_from_guest(
      key, datagram, record_of(key, FlowOrigin::outbound, std::move(admitted.grant)));
  }
}

void Gateway::on_dns_datagram(const FlowKey& key, const GuestDatagram& datagram, ByteView packet)
{
  for_each_datagram(datagram.data, datagram.segment_size_bytes, [&](ByteView query) {
    const Admitted admitted = admission_.ask_for_query(request_of(key), key);
    if (admitted.granted) {
      dns_.on_query(key.guest, key.remote, query);
    } else if (admitted.answer == RefusalAnswer::out_of_room) {
      dns_.refuse(key.guest, key.remote, query); // the resolver's own word for it
    } else {
      refuse_packet(admitted.answer, packet);
    }
  });
}

void Gateway::on_icmp(const GuestPacket& packet, const IpHeader& ip)
{
  const ByteView message = ip.payload(packet.bytes());
  const Parsed<IcmpEcho> echo = IcmpEcho::parse(ip.family(), message);
  if (echo && !echo->is_reply) {
    on_echo_request(ip, *echo, packet.bytes().first(ip.total_length_bytes));
    return;
  }
  const Parsed<IcmpErrorMessage> error = IcmpErrorMessage::parse(ip.family(), message);
  if (error) {
    on_icmp_error(*error);
  } else {
    drops_.count(error.drop());
  }
}

void Gateway::on_echo_request(const IpHeader& ip, const IcmpEcho& echo, ByteView packet)
{
  if (is_ours(ip.destination) || settings_.answers_every_echo) {
    answer_echo(sender_, ip, echo);
    return;
  }
  const FlowKey key = PingRelays::key_of(ip, echo);
  Relay* const known = flows_.find(key);
  Admitted admitted;
  if (known == nullptr) {
    admitted = admission_.ask(request_of(key), key);
    if (!admitted.granted) {
      refuse_packet(admitted.answer, packet);
      return;
    }
  }
  ping_.on_echo_request(
    ip, echo, known, record_of(key, FlowOrigin::outbound, std::move(admitted.grant)));
}

void Gateway::on_icmp_error(const IcmpErrorMessage& error)
{
  // Only the guest itself can complain, and only of what we have sent it.
  const auto kind = icmp_error_kind(error.quoted.family(), error.type_code);
  const auto key = quoted_flow(error);
  const bool is_unreachable = kind && kind != IcmpErrorKind::fragmentation_needed
                              && kind != IcmpErrorKind::time_exceeded
                              && kind != IcmpErrorKind::reassembly_time_exceeded;
  Relay* const relay = is_unreachable && key ? flows_.find(*key) : nullptr;
  if (relay != nullptr) {
    relay->on_guest_unreachable();
  } else {
    drops_.count(Drop::unsolicited);
  }
}

std::size_t Gateway::set_rules(RuleSet rules)
{
  policy_.set_rules(std::move(rules));
  return end_denied_flows();
}

std::size_t Gateway::end_denied_flows()
{
  return flows_.finish_if(
    [this](Relay& relay) { return !admission_.still_allows(relay.record()); });
}

bool Gateway::is_ours(const IpAddress& address) const
{
  const Addresses& ours = settings_.addresses;
  return address == ours.gateway_ipv4 || address == ours.gateway_ipv6
         || (settings_.has_dns && (address == ours.dns_ipv4 || address == ours.dns_ipv6));
}

bool Gateway::is_dns(const Endpoint& endpoint) const
{
  return settings_.has_dns && endpoint.port == DNS_PORT
         && (endpoint.address == settings_.addresses.dns_ipv4
             || endpoint.address == settings_.addresses.dns_ipv6);
}

bool Gateway::flush()
{
  const bool more = tcp_.flush();
  udp_.flush();
  flows_.bury();
  forwards_.flush();
  return more;
}

TimePoint Gateway::next_deadline() const
{
  return std::min({flows_.next_deadline(),
                   stack_.next_tick(),
                   tcp_.next_deadline(),
                   forwards_.next_deadline(),
                   dns_.next_deadline(),
                   reassembler_.next_deadline()});
}

void Gateway::on_deadline()
{
  if (stack_.next_tick() <= time_.now) {
    stack_.tick();
  }
  flows_.expire(time_.now);
  tcp_.on_deadline();
  forwards_.expire();
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
