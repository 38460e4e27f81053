#include "gateway/flow_opener.hh"

#include <utility>
#include <vector>

namespace slirpstack {

namespace {

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

/// Without the link's padding.
ByteView whole_packet(const GuestPacket& packet, const IpHeader& ip)
{
  return packet.bytes().first(ip.total_length_bytes);
}

} // namespace

FlowOpener::FlowOpener(const OurAddresses& ours,
                       const DnsForwarder::Resolvers& resolvers,
                       const ForwardSet& forwards,
                       Admission& admission,
                       FlowHandover& handover,
                       GuestRefuser& refuser,
                       DnsForwarder& dns,
                       TcpRelays& tcp,
                       UdpRelays& udp,
                       PingRelays& ping)
  : ours_(ours)
  , resolvers_(resolvers)
  , forwards_(forwards)
  , admission_(admission)
  , handover_(handover)
  , refuser_(refuser)
  , dns_(dns)
  , tcp_(tcp)
  , udp_(udp)
  , ping_(ping)
{}

Admitted FlowOpener::hand_over(const FlowKey& key, const GuestPacket& packet, FlowRecord& record)
{
  switch (handover_.offer(key, packet, record)) {
    case OffloadAnswer::taken: // nothing is left to be done or said
      return {.granted = false, .grant = {}, .answer = RefusalAnswer::silence};
    case OffloadAnswer::exhausted:
      return {.granted = false, .grant = {}, .answer = RefusalAnswer::no_port};
    case OffloadAnswer::quota:
      return {.granted = false, .grant = {}, .answer = RefusalAnswer::over_quota};
    case OffloadAnswer::declined:
      break;
  }
  return admission_.ask_for_room(key);
}

template<typename Refuse>
std::optional<FlowRecord> FlowOpener::admit_outbound(const FlowKey& key,
                                                     const GuestPacket& packet,
                                                     Refuse refuse)
{
  const bool is_offered = handover_.may_offer(key, packet);
  Admitted admitted = is_offered ? admission_.ask_without_room(request_of(key), key)
                                 : admission_.ask(request_of(key), key);
  if (admitted.granted) {
    FlowRecord record = record_of(key, FlowOrigin::outbound, std::move(admitted.grant));
    if (is_offered) {
      admitted = hand_over(key, packet, record);
    }
    if (admitted.granted) {
      return record;
    }
  } else if (is_offered) {
    handover_.refuse(key);
  }
  refuse(admitted.answer);
  return std::nullopt;
}

void FlowOpener::on_syn(const FlowKey& key,
                        const IpHeader& ip,
                        const TcpHeader& tcp,
                        const GuestPacket& packet)
{
  OutboundPlan plan;
  std::optional<FlowRecord> record;
  const auto refuse
    = [&](RefusalAnswer answer) { refuser_.refuse_segment(answer, ip, tcp, packet.bytes()); };
  const auto admit = [&](Admitted admitted, FlowOrigin origin, std::uint32_t forward) {
    if (admitted.granted) {
      record = record_of(key, origin, std::move(admitted.grant), forward);
    } else {
      refuse(admitted.answer);
    }
  };
  const ForwardSet::Match match = forwards_.find(PROTOCOL_TCP, key.remote);
  if (match.forward != nullptr) {
    plan = {OutboundPlan::Kind::forward, match.forward->targets, match.forward->scheme};
    admit(admission_.ask_for_room(key), FlowOrigin::remote_forward, match.id);
  } else if (ours_.is_dns(key.remote)) {
    const std::vector<Endpoint> resolvers = resolvers_();
    plan = {OutboundPlan::Kind::dns, {resolvers.begin(), resolvers.end()}};
    admit(admission_.ask_for_service(request_of(key), key), FlowOrigin::service, 0);
  } else if (ours_.include(key.remote.address)) {
    refuser_.reset(ip, tcp); // nobody listens on the gateway
  } else {
    plan.targets.emplace_back(key.remote);
    record = admit_outbound(key, packet, refuse);
  }
  if (record) {
    tcp_.open_from_guest(key, ip, tcp, packet.bytes(), std::move(plan), std::move(*record));
  }
}

void FlowOpener::on_resumed_segment(const FlowKey& key,
                                    const IpHeader& ip,
                                    const TcpHeader& tcp,
                                    const GuestPacket& packet)
{
  Admitted admitted = admission_.ask_without_room(request_of(key), key);
  if (admitted.granted) {
    FlowRecord record = record_of(key, FlowOrigin::outbound, std::move(admitted.grant));
    if (handover_.offer(key, packet, record) == OffloadAnswer::taken) {
      return;
    }
  } else {
    handover_.refuse(key);
  }
  refuser_.reset(ip, tcp); // no socket can go on with it
}

void FlowOpener::on_datagram(const FlowKey& key,
                             const IpHeader& ip,
                             const GuestDatagram& datagram,
                             const GuestPacket& packet)
{
  const ByteView bytes = whole_packet(packet, ip);
  const auto refuse = [&](RefusalAnswer answer) { refuser_.refuse_packet(answer, bytes); };
  const ForwardSet::Match match = forwards_.find(PROTOCOL_UDP, key.remote);
  if (match.forward != nullptr) {
    Admitted admitted = admission_.ask_for_room(key);
    if (!admitted.granted) {
      refuse(admitted.answer);
      return;
    }
    udp_.open_forward(
      key,
      datagram,
      *match.forward,
      record_of(key, FlowOrigin::remote_forward, std::move(admitted.grant), match.id));
  } else if (ours_.is_dns(key.remote)) {
    on_dns_datagram(key, datagram, bytes);
  } else if (ours_.include(key.remote.address)) {
    refuser_.refuse_datagram_to_us(bytes);
  } else if (auto record = admit_outbound(key, packet, refuse)) {
    udp_.open_from_guest(key, datagram, std::move(*record));
  }
}

void FlowOpener::on_dns_datagram(const FlowKey& key, const GuestDatagram& datagram, ByteView packet)
{
  for_each_datagram(datagram.data, datagram.segment_size_bytes, [&](ByteView query) {
    const Admitted admitted = admission_.ask_for_query(request_of(key), key);
    if (admitted.granted) {
      dns_.on_query(key.guest, key.remote, query);
    } else if (admitted.answer == RefusalAnswer::out_of_room) {
      dns_.refuse(key.guest, key.remote, query); // the resolver's own word for it
    } else {
      refuser_.refuse_packet(admitted.answer, packet);
    }
  });
}

void FlowOpener::on_echo_request(const FlowKey& key,
                                 const IpHeader& ip,
                                 const IcmpEcho& echo,
                                 const GuestPacket& packet)
{
  auto record = admit_outbound(key, packet, [&](RefusalAnswer answer) {
    refuser_.refuse_packet(answer, whole_packet(packet, ip));
  });
  if (record) {
    ping_.on_echo_request(ip, echo, nullptr, std::move(*record));
  }
}

} // namespace slirpstack
