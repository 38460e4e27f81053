#pragma once

/* IPv6 addresses and what carries them: one for one by prefix (RFC 6296), checksum-neutral or plain
 * with the transport checksum changed; and where the transport layer lies. */

#include "translate.bpf.h"

#include <linux/ipv6.h>

#define NEXT_HEADER_ROUTING 43
#define NEXT_HEADER_DESTINATION 60
#define PROTOCOL_UDP_LITE 136
#define MAX_EXTENSIONS 6
#define SOURCE_OFFSET 8
#define DESTINATION_OFFSET 24
#define ICMPV6_QUERIES 128 /* the types below are errors */
#define ICMPV6_CHECKSUM_OFFSET 2
#define FRAGMENT_HEADER_BYTES 8
#define ADDRESS_WORDS 8

/* Of an ICMPv6 error so much lies before the ports of the packet that it quotes: at() has to reach
 * behind that. */
#define MAX_UPPER_OFFSET (MAX_OFFSET - 8 - sizeof(struct ipv6hdr))

struct address
{
  union {
    __u8 bytes[16];
    __be16 words[ADDRESS_WORDS];
    __be32 quads[4];
  };
};

struct upper_layer
{
  __u32 offset;
  __be32 identification; /* of a fragment */
  __u8 protocol;
  __u8 is_fragment;
  __u8 is_later_fragment;
  __u8 is_disputable; /* others may find another upper layer, or take it elsewhere */
};

static __always_inline int load_address(context* ctx, __u32 offset, struct address* to)
{
  const struct address* from = at(ctx, offset, sizeof(*from));
  if (!from) {
    return -1;
  }
  __builtin_memcpy(to, from, sizeof(*to));
  return 0;
}

static __always_inline const struct nat_prefix* prefix_of(const struct address* address, __u32 side)
{
  struct nat_prefix_key key = {.prefix_length = 160, .side = side};
  __builtin_memcpy(key.address, address, sizeof(*address));
  return bpf_map_lookup_elem(&prefixes, &key);
}

static __always_inline int is_multicast_or_link_local(const struct address* address)
{
  return address->bytes[0] == 0xff
         || (address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80);
}

/* Neighbour discovery (RFC 4861) never leaves its link. */
static __always_inline int is_discovery(__u8 icmp_type)
{
  return icmp_type >= 133 && icmp_type <= 137;
}

static __always_inline int is_zero(const struct address* address)
{
  return !(address->quads[0] | address->quads[1] | address->quads[2] | address->quads[3]);
}

/* RFC 6296 sections 3.4 and 3.5: the subnet takes the adjustment, or behind a prefix of more than
 * 48 bits the first word of the interface identifier that is not 0xffff. 0xffff and 0 are one
 * number there, so the former cannot be mapped, and the result is never 0xffff (section 3.2). An
 * identifier of zeros behind such a prefix is not mapped (section 3.7). */
static __always_inline int neutralize(const struct nat_prefix* mapping, struct address* address)
{
  __u32 first = mapping->length <= 48 ? 3 : (mapping->length + 15) / 16;
  if (mapping->length > 48 && first < 4) {
    first = 4;
  }
  if (mapping->length > 48 && !(address->quads[2] | address->quads[3])) {
    return -1;
  }
#pragma unroll
  for (__u32 i = 3; i < ADDRESS_WORDS; i++) {
    if (i < first || address->words[i] == 0xffff) {
      if (i == 3 && first == 3) {
        return -1;
      }
      continue;
    }
    __u16 sum = fold((__u32)address->words[i] + mapping->adjustment);
    address->words[i] = sum == 0xffff ? 0 : sum;
    return 0;
  }
  return -1;
}

/* Returns 0, or -1 for an address that has no counterpart. */
static __noinline int map_address(const struct nat_prefix* mapping, struct address* address)
{
  if (!mapping || !address) {
    return -1;
  }
  const __be32* prefix = (const __be32*)mapping->prefix;
#pragma unroll
  for (__u32 i = 0; i < 4; i++) {
    __u32 bits = mapping->length > 32 * i ? mapping->length - 32 * i : 0;
    __u32 mask = bits >= 32 ? ~0U : bits ? ~0U << (32 - bits) : 0;
    address->quads[i] = (address->quads[i] & ~bpf_htonl(mask)) | (prefix[i] & bpf_htonl(mask));
  }
  return mapping->flags & NAT_PREFIX_NEUTRAL ? neutralize(mapping, address) : 0;
}

static __always_inline __u32 store_address(context* ctx,
                                           __u32 offset,
                                           const struct address* address)
{
  struct address* to = at(ctx, offset, sizeof(*to));
  __u32 change = 0;
  if (!to) {
    return 0;
  }
#pragma unroll
  for (__u32 i = 0; i < 4; i++) {
    change += difference32(to->quads[i], address->quads[i]);
    to->quads[i] = address->quads[i];
  }
  return change;
}

static __always_inline void lower_hop_limit(context* ctx, struct ipv6hdr* ip)
{
  const __u16* word = (const __u16*)&ip->nexthdr; /* of a sum; the hop limit is the other half */
  __u16 before = *word;
  ip->hop_limit--;
  note_change(ctx, difference16(before, *word));
}

/* Routers to be visited (RFC 5095), and options for each hop that are not the first header (RFC
 * 8200 section 4.1). */
static __always_inline int is_disputable(const struct upper_layer* upper,
                                         const __u8* header,
                                         int number)
{
  return (upper->protocol == NEXT_HEADER_ROUTING && header[3])
         || (upper->protocol == IPPROTO_HOPOPTS && number);
}

/* Behind the extension headers (RFC 8200 section 4), the first few of them. */
static __noinline int find_upper_layer(context* ctx, __u32 l3, struct upper_layer* upper)
{
  if (!upper) {
    return -1;
  }
  const struct ipv6hdr* ip = at(ctx, l3, sizeof(*ip));
  if (!ip) {
    return -1;
  }
  upper->protocol = ip->nexthdr;
  upper->offset = l3 + sizeof(*ip);
  for (int i = 0; i < MAX_EXTENSIONS; i++) {
    const __u8* header = at(ctx, upper->offset, FRAGMENT_HEADER_BYTES);
    if (!header) {
      return -1;
    }
    __u32 length = (header[1] + 1) * 8;
    __u8 is_in_fragment = upper->is_fragment; /* where another fragment may lie over it */
    if (upper->protocol == IPPROTO_FRAGMENT) {
      upper->is_fragment = 1;
      upper->identification = *(const __be32*)(header + 4);
      upper->is_later_fragment = (*(const __be16*)(header + 2) & bpf_htons(0xfff8)) != 0;
      length = FRAGMENT_HEADER_BYTES;
    } else if (upper->protocol != IPPROTO_HOPOPTS && upper->protocol != NEXT_HEADER_ROUTING
               && upper->protocol != NEXT_HEADER_DESTINATION) {
      return 0;
    }
    upper->is_disputable |= is_in_fragment | is_disputable(upper, header, i);
    upper->protocol = header[0];
    upper->offset += length;
    if (upper->is_later_fragment) {
      return 0;
    }
    if (upper->offset > MAX_UPPER_OFFSET) {
      return -1;
    }
  }
  return -1;
}

static __always_inline __u32 checksum_offset(__u8 protocol)
{
  return protocol == IPPROTO_TCP                                    ? 16
         : protocol == IPPROTO_UDP || protocol == PROTOCOL_UDP_LITE ? 6
         : protocol == IPPROTO_ICMPV6                               ? ICMPV6_CHECKSUM_OFFSET
                                                                    : 0;
}

/* What an error quotes is restored to what its receiver has sent, as RFC 5508 REQ-4 and REQ-5 ask
 * for IPv4; RFC 6296 has no word about it. Outbound the guest is the quoted destination, inbound
 * the quoted source. The transport checksum in the quotation is left; nobody verifies it. */
static __always_inline __u32 map_quotation(context* ctx, __u32 icmp, __u32 side)
{
  const __u8* type = at(ctx, icmp, 1);
  if (!type || *type >= ICMPV6_QUERIES) {
    return 0;
  }
  __u32 offset = icmp + 8 + (side == NAT_PREFIX_EXTERNAL ? SOURCE_OFFSET : DESTINATION_OFFSET);
  struct address quoted;
  if (load_address(ctx, offset, &quoted)) {
    return 0;
  }
  const struct nat_prefix* mapping = prefix_of(&quoted, side);
  return mapping && !map_address(mapping, &quoted) ? store_address(ctx, offset, &quoted) : 0;
}

static __always_inline void fix_checksum(context* ctx,
                                         const struct upper_layer* upper,
                                         __u32 change,
                                         __u32 quoted)
{
  __u32 offset = checksum_offset(upper->protocol);
  /* A neutral change is 0xffff or 0, and would turn a checksum of 0 into another one of the two. */
  if (offset && (fold(change) != 0xffff || quoted)) {
    fix_transport(ctx, upper->offset + offset, change, quoted, upper->protocol == IPPROTO_UDP);
  }
}
