#pragma once

/* Flows of mapped IPv6 addresses that policy has allowed. What is not one of them is slirpstack's,
 * or from outside the host's, where the user-mode stack has its sockets. */

#include "mapped_packet.bpf.h"

/* Two addresses of a guest may be one outside, and policy has been asked about one of them. */
static __always_inline struct nat_mapped* mapped_flow(const struct mapped_packet* m, __u32 zone)
{
  struct nat_mapped* flow = bpf_map_lookup_elem(&mapped, &m->key);
  return flow && flow->zone == zone && !(flow->flags & NAT_MAPPED_FORMER)
             && is_same_address(flow->internal, &m->internal)
           ? flow
           : 0;
}

/* As for IPv4, what comes in goes to where the guest last sent from. */
static __always_inline void follow_mapped(context* ctx, struct nat_mapped* flow)
{
  struct sender sender;
  if (!read_sender(ctx, &sender)) {
    move_guest(flow->guest_mac, &sender);
  }
}

/* An error keeps no flow alive. */
static __always_inline void note_packet(struct nat_mapped* flow,
                                        const struct mapped_packet* m,
                                        int outbound)
{
  if (m->is_error) {
    return;
  }
  if (m->key.protocol == IPPROTO_TCP && !m->upper.is_later_fragment) {
    __u32 state = next_state(flow->state, m->tcp_flags, outbound);
    if (state != flow->state) {
      flow->state = state;
    }
  }
  refresh(&flow->last, bpf_ktime_get_coarse_ns());
}

static __always_inline void write_mapped(context* ctx,
                                         __u32 l3,
                                         const struct mapped_packet* m,
                                         enum packet_way way)
{
  __u32 here = way == WAY_OUT ? SOURCE_OFFSET : DESTINATION_OFFSET;
  __u32 there = way == WAY_OUT ? DESTINATION_OFFSET : SOURCE_OFFSET;
  struct ipv6hdr* ip = at(ctx, l3, sizeof(*ip));
  if (!ip) {
    return;
  }
  lower_hop_limit(ctx, ip);
  __u32 change = store_address(ctx, l3 + here, &m->address);
  __u32 quoted = m->is_error
                   ? store_address(ctx, m->upper.offset + ICMPV6_HEADER_BYTES + there, &m->quoted)
                   : 0;
  if (!m->upper.is_later_fragment) {
    fix_checksum(ctx, &m->upper, fold(change), quoted);
  }
  note_change(ctx, fold(change));
}

static __noinline int forward_mapped(context* ctx, struct origin* origin, struct mapped_packet* m)
{
  if (!origin || !m) {
    return VERDICT_DROP;
  }
  struct packet p = {.length = m->length};
  struct nat_mapped* flow = mapped_flow(m, origin->zone);
  if (!flow) { /* first: nobody looks for a neighbour that policy has not allowed */
    return to_slirpstack(ctx, origin, &p, NAT_DROP_NO_SESSION);
  }
  struct nat_route6_key to = {.prefix_length = 128};
  __builtin_memcpy(to.address, m->key.remote, sizeof(to.address));
  const struct nat_route* route = bpf_map_lookup_elem(&routes6, &to);
  if (!route || !route->ifindex) {
    return to_slirpstack(ctx, origin, &p, NAT_DROP_NO_ROUTE);
  }
  if (route->flags & NAT_ROUTE_UNRESOLVED) {
    report_unresolved6(to.address);
    return to_slirpstack(ctx, origin, &p, NAT_DROP_NO_ROUTE);
  }
  if (length_on_wire(ctx, p.length, m->upper.offset - m->l3 + m->header_bytes) > route->mtu) {
    return to_slirpstack(ctx, origin, &p, NAT_DROP_TOO_BIG);
  }
  note_piece(m);
  note_packet(flow, m, 1);
  follow_mapped(ctx, flow);
  __u32 ifindex = route->ifindex;
  rewrite_macs(ctx, route->destination_mac, route->source_mac);
  write_mapped(ctx, m->l3, m, WAY_OUT);
  count(NAT_PREFIX_OUT, p.length);
  return redirect_frame(ctx, ifindex);
}

static __always_inline int mapped_outbound(context* ctx,
                                           struct origin* origin,
                                           const struct packet* p,
                                           __u32 l3)
{
  struct mapped_packet* m = empty_packet();
  if (!m) {
    return VERDICT_DROP;
  }
  m->l3 = l3;
  m->length = p->length;
  if (parse_outbound(ctx, l3, origin->zone, m)) {
    return to_slirpstack(ctx, origin, p, NAT_DROP_PROTOCOL);
  }
  return forward_mapped(ctx, origin, m);
}

/* Whether slirpstack has given a guest's packet back. What it sends to the guest comes the same
 * way, and is of no flow of the guest's. */
static __always_inline int gives_back(context* ctx,
                                      const struct origin* origin,
                                      struct mapped_packet* m)
{
  const struct ipv6hdr* ip = at(ctx, ETH_HLEN, sizeof(*ip));
  if (!ip || !m) {
    return 0;
  }
  m->l3 = ETH_HLEN;
  m->length = sizeof(*ip) + bpf_ntohs(ip->payload_len);
  return !parse_outbound(ctx, m->l3, origin->zone, m) && mapped_flow(m, origin->zone);
}

#define NOT_MAPPED (-100) /* no verdict: the packet is of no flow here, and is unchanged */

static __noinline int mapped_inbound(context* ctx, __u32 l3, __u32 length)
{
  const struct nat_settings* now_set = current_settings();
  struct mapped_packet* m = empty_packet();
  if (!now_set || !m || parse_inbound(ctx, l3, m)) {
    return NOT_MAPPED;
  }
  struct nat_mapped* flow = bpf_map_lookup_elem(&mapped, &m->key);
  if (!flow) {
    return NOT_MAPPED;
  }
  note_piece(m);
  note_packet(flow, m, 0);
  __builtin_memcpy(&m->address, flow->internal, sizeof(m->address));
  m->quoted = m->address;
  __u32 ifindex = flow->ifindex;
  rewrite_macs(ctx, flow->guest_mac, now_set->gateway_mac);
  write_mapped(ctx, l3, m, WAY_IN);
  count(NAT_PREFIX_IN, length);
  return redirect_to_guest(ctx, ifindex);
}
