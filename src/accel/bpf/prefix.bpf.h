#pragma once

/* IPv6 prefix mapping (RFC 6296): stateless where a mapping is open, and else flow by flow, since
 * slirpstack is to be asked. */

#include "mapped.bpf.h"
#include "open.bpf.h"

/* What cannot be mapped is left to slirpstack, which says so to the guest (RFC 6296 sections 3.2
 * and 3.7). */
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
  return mapping->flags & NAT_PREFIX_ASKED ? mapped_outbound(ctx, origin, &p, l3)
                                           : open_outbound(ctx, origin, &p, l3, mapping);
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
  __u8 hop_limit = ip->hop_limit;
  if (load_address(ctx, l3 + DESTINATION_OFFSET, &destination)
      || is_multicast_or_link_local(&destination)) {
    return to_host(length);
  }
  const struct nat_prefix* mapping = prefix_of(&destination, NAT_PREFIX_EXTERNAL);
  if (!mapping) {
    return to_host(length);
  }
  /* Flows first: one guest may have opened what another one has flows of. */
  int verdict = hop_limit <= 1 ? NOT_MAPPED : mapped_inbound(ctx, l3, length);
  if (verdict != NOT_MAPPED) {
    return verdict;
  }
  return mapping->flags & NAT_PREFIX_ASKED ? to_host(length) : open_inbound(ctx, l3, mapping);
}
