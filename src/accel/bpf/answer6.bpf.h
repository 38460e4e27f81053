#pragma once

/* ICMPv6 errors of our own (RFC 4443), as answer.bpf.h makes those of IPv4. */

#include "address6.bpf.h"

#define ANSWER6_HEADERS_BYTES 48 /* IPv6, ICMPv6 */
#define MAX_QUOTE6_BYTES 70      /* a fragment header, and TCP's up to its checksum */
#define ICMPV6_UNREACHABLE 1
#define ICMPV6_TOO_BIG 2
#define ICMPV6_TIME_EXCEEDED 3
#define ICMPV6_REDIRECT 137

struct answer6
{
  __u8 type;
  __u8 code;
  __u32 mtu; /* of ICMPV6_TOO_BIG, else 0 */
};

struct icmpv6_error
{
  __u8 type;
  __u8 code;
  __u16 checksum;
  __be32 mtu;
};

/* RFC 4443 section 2.4 e: not about errors and redirects, nor to who is nobody or many. Later
 * fragments are left out too: their sender hears of the first. Returns the length of the quotation,
 * or 0. */
static __noinline __u32 quotation_of(context* ctx, __u32 l3)
{
  struct upper_layer upper = {};
  struct address source;
  if (load_address(ctx, l3 + SOURCE_OFFSET, &source) || is_multicast_or_link_local(&source)
      || is_zero(&source) || find_upper_layer(ctx, l3, &upper) || upper.is_later_fragment) {
    return 0;
  }
  if (upper.protocol == IPPROTO_ICMPV6) {
    const __u8* type = at(ctx, upper.offset, 1);
    if (!type || *type < ICMPV6_QUERIES || *type == ICMPV6_REDIRECT) {
      return 0;
    }
  }
  __u32 quote = upper.offset - l3
                + (upper.protocol == IPPROTO_TCP ? QUOTED_TCP_BYTES : QUOTED_TRANSPORT_BYTES);
  return quote > MAX_QUOTE6_BYTES || l3 + quote > frame_length(ctx) ? 0 : quote;
}

/* What has stood in the packet, now quoted, is 48 bytes further behind. */
static __always_inline int write_answer6(context* ctx,
                                         __u32 l3,
                                         const struct answer6* answer,
                                         __u32 quote)
{
  struct ethhdr* ethernet = at(ctx, 0, sizeof(*ethernet));
  struct ipv6hdr* ip = at(ctx, l3, sizeof(*ip));
  const struct ipv6hdr* quoted = at(ctx, l3 + ANSWER6_HEADERS_BYTES, sizeof(*quoted));
  struct icmpv6_error* icmp = at(ctx, l3 + sizeof(*ip), sizeof(*icmp));
  if (!ethernet || !ip || !quoted || !icmp) {
    return -1;
  }
  swap_macs(ethernet);
  __be16 length = bpf_htons(sizeof(*icmp) + quote);
  __builtin_memset(ip, 0, sizeof(*ip));
  ip->version = 6;
  ip->payload_len = length;
  ip->nexthdr = IPPROTO_ICMPV6;
  ip->hop_limit = ANSWER_HOP_LIMIT;
  __builtin_memcpy(&ip->saddr, &quoted->daddr, sizeof(ip->saddr));
  __builtin_memcpy(&ip->daddr, &quoted->saddr, sizeof(ip->daddr));
  icmp->type = answer->type;
  icmp->code = answer->code;
  icmp->checksum = 0;
  icmp->mtu = bpf_htonl(answer->mtu);
  __u32 sum = sum_words(ctx, l3 + SOURCE_OFFSET, 2 * sizeof(struct address) / 2) + length
              + bpf_htons(IPPROTO_ICMPV6)
              + sum_words(ctx, l3 + sizeof(*ip), (sizeof(*icmp) + quote) / 2);
  icmp->checksum = (__u16)~fold(sum);
  return 0;
}

/* The packet is counted as `statistic`, and its sender, behind `ifindex`, is told in the name of
 * its destination. */
static __noinline int refuse6(context* ctx,
                              __u32 l3,
                              const struct answer6* answer,
                              __u32 ifindex,
                              __u32 statistic)
{
  if (!answer) {
    return VERDICT_DROP;
  }
  const struct ipv6hdr* ip = at(ctx, l3, sizeof(*ip));
  count(statistic, ip ? sizeof(*ip) + bpf_ntohs(ip->payload_len) : 0);
  __u32 quote = quotation_of(ctx, l3);
  if (!quote || !may_answer(ifindex) || make_room(ctx, l3, quote, ANSWER6_HEADERS_BYTES)
      || write_answer6(ctx, l3, answer, quote)) {
    return VERDICT_DROP;
  }
  count(NAT_ANSWERED, ANSWER6_HEADERS_BYTES + quote);
  return redirect_frame(ctx, ifindex);
}
