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

} // namespace

FlowOpener::FlowOpener(const OurAddresses& ours,
                       const DnsForwarder::Resolvers& resolvers,
                       const ForwardSet& forwards,
                       Admission& admission,
                       GuestRefuser& refuser,
                       DnsForwarder& dns,
                       TcpRelays& tcp,
                       UdpRelays& udp,
                       PingRelays& ping)
  : ours_(ours)
  , resolvers_(resolvers)
  , forwards_(forwards)
  , admission_(admission)
  , refuser_(refuser)
  , dns_(dns)
  , tcp_(tcp)
  , udp_(udp)
  , ping_(ping)
{}

void FlowOpener::on_syn(const FlowKey& key,
                        const IpHeader& ip,
                        const TcpHeader& tcp,
                        ByteView packet)
{
  OutboundPlan plan;
  FlowOrigin origin = FlowOrigin::outbound;
  Admitted admitted;
  const ForwardSet::Match match = forwards_.find(PROTOCOL_TCP, key.remote);
  if (match.forward != nullptr) {
    origin = FlowOrigin::remote_forward;
    plan = {OutboundPlan::Kind::forward, match.forward->targets, match.forward->scheme};
    admitted = admission_.ask_for_room(key);
  } else if (ours_.is_dns(key.remote)) {
    origin = FlowOrigin::service;
    const std::vector<Endpoint> resolvers = resolvers_();
    plan = {OutboundPlan::Kind::dns, {resolvers.begin(), resolvers.end()}};
    admitted = admission_.ask_for_service(request_of(key), key);
  } else if (ours_.include(key.remote.address)) {
    refuser_.reset(ip, tcp); // nobody listens on the gateway
    return;
  } else {
    plan.targets.emplace_back(key.remote);
    admitted = admission_.ask(request_of(key), key);
  }
  if (!admitted.granted) {
    refuser_.refuse_segment(admitted.answer, ip, tcp, packet);
    return;
  }
  tcp_.open_from_guest(key,
                       ip,
                       tcp,
                       packet,
                       std::move(plan),
                       record_of(key, origin, std::move(admitted.grant), match.id));
}

void FlowOpener::on_datagram(const FlowKey& key, const GuestDatagram& datagram, ByteView packet)
{
  const ForwardSet::Match match = forwards_.find(PROTOCOL_UDP, key.remote);
  if (match.forward == nullptr && ours_.is_dns(key.remote)) {
    on_dns_datagram(key, datagram, packet);
    return;
  }
  if (match.forward == nullptr && ours_.include(key.remote.address)) {
    refuser_.refuse_datagram_to_us(packet);
    return;
  }
  Admitted admitted = match.forward != nullptr ? admission_.ask_for_room(key)
                                               : admission_.ask(request_of(key), key);
  if (!admitted.granted) {
    refuser_.refuse_packet(admitted.answer, packet);
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
                                 ByteView packet)
{
  Admitted admitted = admission_.ask(request_of(key), key);
  if (!admitted.granted) {
    refuser_.refuse_packet(admitted.answer, packet);
    return;
  }
  ping_.on_echo_request(
    ip, echo, nullptr, record_of(key, FlowOrigin::outbound, std::move(admitted.grant)));
}

} // namespace slirpstack
