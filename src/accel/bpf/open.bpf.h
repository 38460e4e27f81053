#pragma once

/* Open mappings: stateless in both directions, for whoever is outside (RFC 6296). What slirpstack
 * would be asked about for the host's sake stays with it, and from there nobody comes in either:
 * the host's own addresses, what it is attached to, and all else that `routes6` gives no way to. */

#include "answer6.bpf.h"

#define LAST_ICMPV6_ERROR 4 /* parameter problem; the other types below 128 are nobody's */

/* Nothing of the packet is changed before all that can refuse it has been asked. */
struct open_packet
{
  struct address source;
  struct address destination;
  struct upper_layer upper;
  __u32 l3;
  __u32 length;
  __u8 has_upper;
  __u8 icmp_type; /* 0: another protocol, or a later fragment */
};

/* Too large for the stack. */
struct
{
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __type(key, __u32);
  __type(value, struct open_packet);
  __uint(max_entries, 1);
} open_scratch SEC(".maps");

static __always_inline struct open_packet* empty_open(void)
{
  __u32 zero = 0;
  struct open_packet* o = bpf_map_lookup_elem(&open_scratch, &zero);
  if (o) {
    __builtin_memset(o, 0, sizeof(*o));
  }
  return o;
}

static __noinline int parse_open(context* ctx, __u32 l3, struct open_packet* o)
{
  const struct ipv6hdr* ip = at(ctx, l3, sizeof(*ip));
  if (!o || !ip || ip->version != 6) {
    return -1;
  }
  o->l3 = l3;
  o->length = sizeof(*ip) + bpf_ntohs(ip->payload_len);
  if (!segment_bytes(ctx) && l3 + o->length > frame_length(ctx)) {
    return -1;
  }
  if (load_address(ctx, l3 + SOURCE_OFFSET, &o->source)
      || load_address(ctx, l3 + DESTINATION_OFFSET, &o->destination)) {
    return -1;
  }
  o->has_upper = !find_upper_layer(ctx, l3, &o->upper) && !o->upper.is_later_fragment;
  if (o->has_upper && o->upper.protocol == IPPROTO_ICMPV6) {
    const __u8* type = at(ctx, o->upper.offset, 1);
    o->icmp_type = type ? *type : 0;
  }
  return 0;
}

static __always_inline int is_open_error(const struct open_packet* o)
{
  return o->has_upper && o->upper.protocol == IPPROTO_ICMPV6 && o->icmp_type >= 1
         && o->icmp_type <= LAST_ICMPV6_ERROR;
}

/* Of a super-segment: what one of its segments needs. */
static __always_inline __u32 needed_mtu(context* ctx, const struct open_packet* o)
{
  if (!segment_bytes(ctx) || !o->has_upper) {
    return o->length;
  }
  const struct tcphdr* tcp = at(ctx, o->upper.offset, sizeof(*tcp));
  __u32 transport = o->upper.protocol == IPPROTO_TCP && tcp ? tcp->doff * 4 : 8;
  return length_on_wire(ctx, o->length, o->upper.offset - o->l3 + transport);
}

static __always_inline const struct nat_route* way6(const struct address* to)
{
  struct nat_route6_key key = {.prefix_length = 128};
  __builtin_memcpy(key.address, to, sizeof(*to));
  return bpf_map_lookup_elem(&routes6, &key);
}

/* Whether an external address is somebody's already: the host's own, or a router's of it. A mapping
 * of that address alone is meant so. */
static __noinline int is_taken(const struct nat_prefix* mapping, const struct address* external)
{
  if (!mapping || !external || mapping->length == 128) {
    return 0;
  }
  const struct nat_route* way = way6(external);
  return way && way->flags & NAT_ROUTE_TAKEN;
}

/* The sender may lie behind the guest, or have moved there: what comes in for it goes to where it
 * last sent from. */
static __noinline int note_station(context* ctx,
                                   const struct nat_prefix* mapping,
                                   __u32 zone,
                                   const struct address* address)
{
  struct sender sender;
  if (!mapping || !address || read_sender(ctx, &sender)) {
    return 0;
  }
  struct nat_station_key key = {.zone = zone};
  __builtin_memcpy(key.address, address, sizeof(*address));
  struct nat_station* known = bpf_map_lookup_elem(&stations, &key);
  if (known) {
    move_guest(known->mac, &sender);
    return 0;
  }
  const __u16* usual = (const __u16*)mapping->guest_mac;
  if (((usual[0] ^ sender.mac[0]) | (usual[1] ^ sender.mac[1]) | (usual[2] ^ sender.mac[2])) != 0) {
    struct nat_station station = {};
    __builtin_memcpy(station.mac, sender.mac, sizeof(station.mac));
    bpf_map_update_elem(&stations, &key, &station, BPF_ANY);
  }
  return 0;
}

/* Writes both addresses, of which one may be what it was. The quotation of an error is mapped for
 * each side that the packet passes. */
static __always_inline void write_open(context* ctx,
                                       const struct open_packet* o,
                                       __u32 side,
                                       __u32 other_side)
{
  struct ipv6hdr* ip = at(ctx, o->l3, sizeof(*ip));
  if (!ip) {
    return;
  }
  lower_hop_limit(ctx, ip);
  __u32 change = fold(store_address(ctx, o->l3 + SOURCE_OFFSET, &o->source)
                      + store_address(ctx, o->l3 + DESTINATION_OFFSET, &o->destination));
  if (o->has_upper) {
    __u32 quoted = 0;
    if (is_open_error(o)) {
      quoted = map_quotation(ctx, o->upper.offset, side);
      quoted += other_side != side ? map_quotation(ctx, o->upper.offset, other_side) : 0;
    }
    fix_checksum(ctx, &o->upper, change, quoted);
  }
  note_change(ctx, change);
}

/* `mapping` is the external prefix's, and the destination is internal already. */
static __always_inline int deliver_open(context* ctx,
                                        const struct open_packet* o,
                                        const struct nat_prefix* mapping)
{
  const struct nat_settings* now_set = current_settings();
  if (!now_set) {
    return VERDICT_DROP;
  }
  struct nat_station_key key = {.zone = mapping->zone};
  __builtin_memcpy(key.address, &o->destination, sizeof(o->destination));
  const struct nat_station* station = bpf_map_lookup_elem(&stations, &key);
  __u32 ifindex = mapping->ifindex;
  rewrite_macs(ctx, station ? station->mac : mapping->guest_mac, now_set->gateway_mac);
  return redirect_to_guest(ctx, ifindex);
}

/* Section 4.3: a destination in an open mapping's external prefix is mapped as well. */
static __noinline int hairpin_open(context* ctx,
                                   struct origin* origin,
                                   struct open_packet* o,
                                   const struct nat_prefix* mapping,
                                   const struct nat_prefix* hairpin)
{
  struct packet p = {};
  if (!origin || !o || !mapping || !hairpin) {
    return VERDICT_DROP;
  }
  p.length = o->length;
  struct address inside = o->source;
  if (map_address(mapping, &o->source) || is_taken(mapping, &o->source)
      || map_address(hairpin, &o->destination)) {
    return to_slirpstack(ctx, origin, &p, NAT_DROP_PREFIX);
  }
  if (needed_mtu(ctx, o) > hairpin->mtu) {
    struct answer6 answer = {.type = ICMPV6_TOO_BIG, .mtu = hairpin->mtu};
    return refuse6(ctx, o->l3, &answer, origin->guest, NAT_DROP_TOO_BIG);
  }
  note_station(ctx, mapping, origin->zone, &inside);
  write_open(ctx, o, origin->zone, NAT_PREFIX_EXTERNAL);
  count(NAT_PREFIX_OUT, o->length);
  return deliver_open(ctx, o, hairpin);
}

/* A neighbour that is not known yet is looked for, and the packet lost: its sender tries again. */
static __noinline int leave_open(context* ctx,
                                 struct origin* origin,
                                 struct open_packet* o,
                                 const struct nat_prefix* mapping)
{
  struct packet p = {};
  if (!origin || !o || !mapping) {
    return VERDICT_DROP;
  }
  p.length = o->length;
  const struct nat_route* way = way6(&o->destination);
  if (!way || !way->ifindex) {
    return to_slirpstack(ctx, origin, &p, NAT_DROP_NO_ROUTE);
  }
  struct address inside = o->source;
  if (map_address(mapping, &o->source) || is_taken(mapping, &o->source)) {
    return to_slirpstack(ctx, origin, &p, NAT_DROP_PREFIX);
  }
  if (way->flags & NAT_ROUTE_UNRESOLVED) {
    report_unresolved6(o->destination.bytes);
    return dropped(NAT_DROP_NO_ROUTE, o->length);
  }
  if (needed_mtu(ctx, o) > way->mtu) {
    struct answer6 answer = {.type = ICMPV6_TOO_BIG, .mtu = way->mtu};
    return refuse6(ctx, o->l3, &answer, origin->guest, NAT_DROP_TOO_BIG);
  }
  note_station(ctx, mapping, origin->zone, &inside);
  __u32 ifindex = way->ifindex;
  rewrite_macs(ctx, way->destination_mac, way->source_mac);
  write_open(ctx, o, origin->zone, origin->zone);
  count(NAT_PREFIX_OUT, o->length);
  return redirect_frame(ctx, ifindex);
}

static __always_inline int open_outbound(context* ctx,
                                         struct origin* origin,
                                         const struct packet* p,
                                         __u32 l3,
                                         const struct nat_prefix* mapping)
{
  struct open_packet* o = empty_open();
  if (!o || parse_open(ctx, l3, o)) {
    return dropped(NAT_DROP_MALFORMED, p->length);
  }
  if (is_discovery(o->icmp_type)) {
    return aside(ctx, origin, p);
  }
  const struct nat_prefix* hairpin = prefix_of(&o->destination, NAT_PREFIX_EXTERNAL);
  return hairpin && !(hairpin->flags & NAT_PREFIX_ASKED) && !is_taken(hairpin, &o->destination)
           ? hairpin_open(ctx, origin, o, mapping, hairpin)
           : leave_open(ctx, origin, o, mapping);
}

/* An error may be from any router, the next one among them. */
static __always_inline int comes_from_outside(const struct open_packet* o)
{
  if (is_open_error(o)) {
    return 1;
  }
  const struct nat_route* way = way6(&o->source);
  return !is_discovery(o->icmp_type) && way && way->ifindex;
}

static __noinline int open_inbound(context* ctx, __u32 l3, const struct nat_prefix* mapping)
{
  struct open_packet* o = empty_open();
  if (!mapping || !o) {
    return VERDICT_DROP;
  }
  if (parse_open(ctx, l3, o)) {
    return dropped(NAT_DROP_MALFORMED, o->length);
  }
  if (!comes_from_outside(o) || is_taken(mapping, &o->destination)) {
    return to_host(o->length);
  }
  if (map_address(mapping, &o->destination)) { /* section 3.2 */
    struct answer6 answer = {.type = ICMPV6_UNREACHABLE};
    return refuse6(ctx, l3, &answer, arrival(ctx), NAT_DROP_PREFIX);
  }
  const struct ipv6hdr* ip = at(ctx, l3, sizeof(*ip));
  if (!ip || ip->hop_limit <= 1) {
    struct answer6 answer = {.type = ICMPV6_TIME_EXCEEDED};
    return refuse6(ctx, l3, &answer, arrival(ctx), NAT_DROP_HOP_LIMIT);
  }
  if (needed_mtu(ctx, o) > mapping->mtu) {
    struct answer6 answer = {.type = ICMPV6_TOO_BIG, .mtu = mapping->mtu};
    return refuse6(ctx, l3, &answer, arrival(ctx), NAT_DROP_TOO_BIG);
  }
  write_open(ctx, o, NAT_PREFIX_EXTERNAL, NAT_PREFIX_EXTERNAL);
  count(NAT_PREFIX_IN, o->length);
  return deliver_open(ctx, o, mapping);
}
