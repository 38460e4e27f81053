#include "gateway/gateway.hh"

#include <algorithm>
#include <utility>

namespace slirpstack {

namespace {

// A flood of clients that do not exist, from the host's side, leaves the guest the rest.
constexpr std::size_t CLIENTS_PART = 4;

UdpRelays::Settings bounding_clients(UdpRelays::Settings settings, std::size_t max_flows)
{
  settings.max_clients = std::max<std::size_t>(max_flows / CLIENTS_PART, 1);
  return settings;
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
  , policy_(settings.policy)
  , icmp_(guest, settings.addresses.gateway_ipv4, settings.addresses.gateway_ipv6)
  , sender_(guest, sources.random_id())
  , intake_(settings_.addresses, time_, pool, icmp_, drops_)
  , refuser_(settings.denial_manner, guest, icmp_)
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
  , udp_(mapping(bounding_clients(settings.udp, settings.max_flows), mapped_),
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
  , forwards_(tcp_, udp_, flows_, time_, host, prefixes_, policy_)
  , handover_(guest, udp_, ping_, mapped_, drops_, time_)
  , review_(flows_, handover_, admission_, policy_)
  , opener_(settings_.addresses,
            sources_.resolvers,
            forwards_,
            admission_,
            handover_,
            refuser_,
            dns_,
            tcp_,
            udp_,
            ping_)
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
  std::optional<PacketIntake::Accepted> accepted = intake_.take(std::move(packet));
  if (!accepted) {
    return;
  }
  const IpHeader& ip = accepted->ip;
  switch (ip.protocol) {
    case PROTOCOL_TCP:
      on_tcp(std::move(accepted->packet), ip);
      return;
    case PROTOCOL_UDP:
      on_udp(accepted->packet, ip);
      return;
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMPV6:
      on_icmp(accepted->packet, ip);
      return;
    case PROTOCOL_NO_NEXT_HEADER:
      return;
    default:
      break;
  }
  drops_.count(Drop::unknown_protocol);
  icmp_.report(
    IcmpErrorKind::protocol_unreachable, 0, accepted->packet.bytes().first(ip.total_length_bytes));
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
  } else if (handover_.return_carried(key, packet)) {
    return;
  } else if (is_syn) {
    opener_.on_syn(key, ip, *tcp, packet);
  } else if (handover_.may_resume(key, packet)) {
    opener_.on_resumed_segment(key, ip, *tcp, packet);
  } else {
    refuser_.reset(ip, *tcp);
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
  } else if (!handover_.return_carried(key, packet)) {
    opener_.on_datagram(key, ip, datagram, packet);
  }
}

void Gateway::on_icmp(const GuestPacket& packet, const IpHeader& ip)
{
  const ByteView message = ip.payload(packet.bytes());
  const Parsed<IcmpEcho> echo = IcmpEcho::parse(ip.family(), message);
  if (echo && !echo->is_reply) {
    on_echo_request(ip, *echo, packet);
    return;
  }
  const Parsed<IcmpErrorMessage> error = IcmpErrorMessage::parse(ip.family(), message);
  if (error) {
    on_icmp_error(*error);
  } else {
    drops_.count(error.drop());
  }
}

void Gateway::on_echo_request(const IpHeader& ip, const IcmpEcho& echo, const GuestPacket& packet)
{
  if (settings_.addresses.include(ip.destination) || settings_.answers_every_echo) {
    answer_echo(sender_, ip, echo);
    return;
  }
  const FlowKey key = PingRelays::key_of(ip, echo);
  if (Relay* const known = flows_.find(key)) {
    ping_.on_echo_request(ip, echo, known, {});
  } else if (!handover_.return_carried(key, packet)) {
    opener_.on_echo_request(key, ip, echo, packet);
  }
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

void Gateway::set_rules(RuleSet rules, FlowReview::Done done)
{
  policy_.set_rules(std::move(rules));
  forwards_.review_published();
  review_.start(std::move(done));
}

bool Gateway::flush()
{
  const bool goes_on = review_.work();
  const bool more = tcp_.flush() || goes_on;
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
                   intake_.next_deadline()});
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
  intake_.expire();
}

void Gateway::close_all()
{
  flows_.finish_all();
  flows_.bury();
}

} // namespace slirpstack
