#pragma once

/* IPv6 prefix mapping (RFC 6296): stateless, or flow by flow where slirpstack is to be asked. Where
 * a stateless mapping names no interface the host routes the result. */

#include "mapped.bpf.h"

static __always_inline int prefix_forward(context* ctx, __u32 l3, const struct nat_prefix* way)
{
  __u32 ifindex = way->ifindex;
  struct ipv6hdr* ip = at(ctx, l3, sizeof(*ip));
  if (!ifindex || !ip) {
    return VERDICT_HOST;
  }
  lower_hop_limit(ctx, ip);
  rewrite_macs(ctx, way->destination_mac, way->source_mac);
  return redirect_frame(ctx, ifindex);
}

/* RFC 6296 section 4.3's hairpinning: a destination in an external prefix is mapped as well. What
 * cannot be mapped is left to slirpstack, which says so to the guest (sections 3.2 and 3.7). */
static __always_inline int prefix_outbound(context* ctx, struct origin* origin)
{
  __u32 l3 = ETH_HLEN;
  ethertype(ctx, &l3);
  struct packet p = {};
  struct address source;
  struct address destination;
  const struct ipv6hdr* ip = at(ctx, l3, sizeof(*ip));
  if (!ip) {
    return dropped(NAT_DROP_MALFORMED, 0);
  }
  p.length = sizeof(*ip) + bpf_ntohs(ip->payload_len);
  __u8 hop_limit = ip->hop_limit;
  if (load_address(ctx, l3 + SOURCE_OFFSET, &source)
      || load_address(ctx, l3 + DESTINATION_OFFSET, &destination)
      || is_multicast_or_link_local(&source) || is_multicast_or_link_local(&destination)
      || is_zero(&source) || hop_limit <= 1) {
    return aside(ctx, origin, &p);
  }
  look_up(origin);
  const struct nat_prefix* mapping = prefix_of(&source, origin->zone);
  if (!mapping || prefix_of(&destination, origin->zone)) {
    return aside(ctx, origin, &p);
  }
  if (mapping->flags & NAT_PREFIX_ASKED) {
    return mapped_outbound(ctx, origin, &p, l3);
  }
  const struct nat_prefix* hairpin = prefix_of(&destination, NAT_PREFIX_EXTERNAL);
  if (map_address(mapping, &source) || (hairpin && map_address(hairpin, &destination))) {
    return to_slirpstack(ctx, origin, &p, NAT_DROP_PREFIX);
  }
  __u32 change = store_address(ctx, l3 + SOURCE_OFFSET, &source)
                 + store_address(ctx, l3 + DESTINATION_OFFSET, &destination);
  fix_upper_layer(ctx, l3, fold(change), origin->zone);
  note_change(ctx, fold(change));
  count(NAT_PREFIX_OUT, p.length);
  return prefix_forward(ctx, l3, hairpin ? hairpin : mapping);
}

static __always_inline int prefix_inbound(context* ctx)
{
  __u32 l3 = ETH_HLEN;
  ethertype(ctx, &l3);
  struct address destination;
  const struct ipv6hdr* ip = at(ctx, l3, sizeof(*ip));
  if (!ip) {
    return dropped(NAT_DROP_MALFORMED, 0);
  }
  __u32 length = sizeof(*ip) + bpf_ntohs(ip->payload_len);
  if (ip->hop_limit <= 1 || load_address(ctx, l3 + DESTINATION_OFFSET, &destination)
      || is_multicast_or_link_local(&destination)) {
    return to_host(length);
  }
  const struct nat_prefix* mapping = prefix_of(&destination, NAT_PREFIX_EXTERNAL);
  if (!mapping) {
    return to_host(length);
  }
  if (mapping->flags & NAT_PREFIX_ASKED) {
    return mapped_inbound(ctx, l3, length);
  }
  if (map_address(mapping, &destination)) {
    return dropped(NAT_DROP_PREFIX, length);
  }
  __u32 change = store_address(ctx, l3 + DESTINATION_OFFSET, &destination);
  fix_upper_layer(ctx, l3, fold(change), NAT_PREFIX_EXTERNAL);
  note_change(ctx, fold(change));
  count(NAT_PREFIX_IN, length);
  return prefix_forward(ctx, l3, mapping);
}
