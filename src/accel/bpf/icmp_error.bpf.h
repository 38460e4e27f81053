#pragma once

/* ICMP errors quote the packet that they are about, as it was when the error's author saw it. The
 * quotation is restored to what its sender knows (RFC 5508 section 4). */

#include "packet.bpf.h"
#include "rewrite.bpf.h"

#define TCP_CHECKSUM_END 18

struct quotation
{
  __u32 l3;
  __u32 l4;
  struct translation ends; /* as quoted */
  __u8 protocol;
};

static __always_inline int has_right_checksum(context* ctx, __u32 l3)
{
  const struct iphdr* ip = at(ctx, l3, sizeof(*ip));
  if (!ip) {
    return 0;
  }
  __u32 words = ip->ihl * 2;
  __u32 sum = 0;
  for (__u32 i = 0; i < 30; i++) {
    if (i >= words) {
      break;
    }
    const __u16* word = at(ctx, l3 + i * 2, 2);
    if (!word) {
      return 0;
    }
    sum += *word;
  }
  return fold(sum) == 0xffff;
}

/* So much is summed at once; a multiple of 4. */
#define SUM_BYTES 64
#define MAX_SUMS 64

/* The sum over the whole ICMP message, quotation included. */
static __always_inline int has_right_icmp_checksum(context* ctx, const struct packet* p)
{
  __u32 offset = p->l4;
  __u32 left = p->l3 + p->length - p->l4;
  __u32 sum = 0;
  for (__u32 i = 0; i < MAX_SUMS && left; i++) {
    __u8 bytes[SUM_BYTES] = {};
    __u32 size = left < SUM_BYTES ? left : SUM_BYTES;
    if (load_bytes(ctx, offset, bytes, size)) {
      return 0;
    }
    sum = bpf_csum_diff(0, 0, (__be32*)bytes, SUM_BYTES, sum);
    offset += size;
    left -= size;
  }
  return !left && fold(sum) == 0xffff;
}

/* Whether the quoted packet was a query that has an identifier. */
static __always_inline int quotes_query(__u8 type)
{
  return type == ICMP_ECHO || type == ICMP_ECHOREPLY || type == ICMP_TIMESTAMP
         || type == ICMP_TIMESTAMPREPLY;
}

/* Returns 0, or the statistic that says what is wrong with it. RFC 5508 REQ-3: the ICMP checksum
 * and that of the quoted header must be right, quoted options are skipped, the quoted transport
 * checksum is not looked at. Of a message in fragments only the first piece is here, so it is not
 * summed. */
static __noinline int parse_quotation(context* ctx, const struct packet* p, struct quotation* q)
{
  if (!p || !q) {
    return NAT_DROP_MALFORMED;
  }
  q->l3 = p->l4 + sizeof(struct icmp_header);
  const struct iphdr* ip = at(ctx, q->l3, sizeof(*ip));
  if (!ip || ip->version != 4 || ip->ihl < 5) {
    return NAT_DROP_MALFORMED;
  }
  q->l4 = q->l3 + ip->ihl * 4;
  q->protocol = ip->protocol;
  q->ends.source = ip->saddr;
  q->ends.destination = ip->daddr;
  if (ip->frag_off & bpf_htons(IP_OFFSET_MASK)) {
    return NAT_DROP_FRAGMENT;
  }
  if (!has_right_checksum(ctx, p->l3) || !has_right_checksum(ctx, q->l3)
      || (p->fragment == FRAGMENT_NONE && !has_right_icmp_checksum(ctx, p))) {
    return NAT_DROP_CHECKSUM;
  }
  const __be16* words = at(ctx, q->l4, 8);
  if (!words) {
    return NAT_DROP_MALFORMED;
  }
  if (q->protocol == IPPROTO_TCP || q->protocol == IPPROTO_UDP) {
    q->ends.source_port = words[0];
    q->ends.destination_port = words[1];
    return 0;
  }
  if (q->protocol != IPPROTO_ICMP) {
    return NAT_DROP_PROTOCOL;
  }
  __u8 type = *(const __u8*)words;
  if (!quotes_query(type)) {
    return NAT_DROP_PROTOCOL;
  }
  q->ends.source_port = q->ends.destination_port = words[2];
  return 0;
}

/* Where the quoted checksum lies, or null: TCP's is beyond the eight bytes that must be quoted. */
static __always_inline __u16* quoted_checksum(context* ctx, const struct quotation* q)
{
  if (q->protocol == IPPROTO_TCP) {
    __u16* end = at(ctx, q->l4, TCP_CHECKSUM_END);
    return end ? end + 8 : 0;
  }
  __u16* words = at(ctx, q->l4, 8);
  return !words ? 0 : q->protocol == IPPROTO_UDP ? words + 3 : words + 1;
}

/* Writes the new ports, returns what has changed in the quoted transport header. */
static __always_inline __u32 rewrite_quoted_transport(context* ctx,
                                                      const struct quotation* q,
                                                      const struct translation* to,
                                                      __u32 addresses)
{
  __u16* words = at(ctx, q->l4, 8);
  if (!words) {
    return 0;
  }
  __u32 ports;
  if (q->protocol == IPPROTO_ICMP) {
    __be16 id = changed_identifier(&q->ends, to);
    ports = difference16(words[2], id);
    words[2] = id;
    addresses = 0; /* no pseudo-header */
  } else {
    ports = difference16(words[0], to->source_port) + difference16(words[1], to->destination_port);
    words[0] = to->source_port;
    words[1] = to->destination_port;
  }
  __u16* checksum = quoted_checksum(ctx, q);
  if (!checksum) {
    return ports;
  }
  __u16 old = *checksum;
  *checksum = q->protocol == IPPROTO_UDP ? adjusted_udp(old, addresses + ports)
                                         : adjusted(old, addresses + ports);
  return ports + difference16(old, *checksum);
}

static __noinline int rewrite_quotation(context* ctx,
                                        const struct packet* p,
                                        const struct quotation* q,
                                        const struct translation* to)
{
  if (!p || !q || !to) {
    return -1;
  }
  struct iphdr* ip = at(ctx, q->l3, sizeof(*ip));
  if (!ip) {
    return -1;
  }
  __u32 addresses = difference32(ip->saddr, to->source) + difference32(ip->daddr, to->destination);
  __u16 old = ip->check;
  ip->saddr = to->source;
  ip->daddr = to->destination;
  ip->check = adjusted(old, addresses);
  __u32 changes = addresses + difference16(old, ip->check);
  changes += rewrite_quoted_transport(ctx, q, to, addresses);
  struct icmp_header* icmp = at(ctx, p->l4, sizeof(*icmp));
  if (!icmp) {
    return -1;
  }
  icmp->checksum = adjusted(icmp->checksum, changes);
  return 0;
}
