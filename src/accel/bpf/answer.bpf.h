#pragma once

/* ICMP errors of our own: the packet at hand becomes the quotation, and goes back to its sender. */

#include "budget.bpf.h"
#include "packet.bpf.h"

#define ANSWER_HOP_LIMIT 64
#define ANSWER_HEADERS_BYTES 28 /* IPv4 without options, ICMP */
#define QUOTED_TRANSPORT_BYTES 8
#define QUOTED_TCP_BYTES 18 /* TC cannot cut a segment before its checksum field */
#define MAX_QUOTE_WORDS ((60 + QUOTED_TCP_BYTES) / 2)

/* RFC 1812 section 4.3.2.8: errors are limited in their rate. So many at once on each processor,
 * and one more each NS_PER_ANSWER. */
#define ANSWER_BURST 64
#define NS_PER_ANSWER 1000000ULL

struct
{
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __type(key, __u32);
  __type(value, struct budget);
  __uint(max_entries, 2); /* to the inside, and to the outside, which shall not use up the former */
} answers SEC(".maps");

struct answer
{
  __u8 type;
  __u8 code;
  __be16 mtu; /* RFC 1191 section 4; for other errors 0 */
  __be32 source;
};

static __always_inline int may_answer(__u32 ifindex)
{
  __u32 to_outside = bpf_map_lookup_elem(&interfaces, &ifindex) == 0;
  struct budget* budget = bpf_map_lookup_elem(&answers, &to_outside);
  return budget && spend(budget, ANSWER_BURST, NS_PER_ANSWER);
}

#ifdef NAT_TC

/* The new room lies behind the Ethernet header, which stays in front. */
static __always_inline int make_room(context* ctx, __u32 l3, __u32 quote, int headers)
{
  return bpf_skb_change_tail(ctx, l3 + quote, 0)
         || bpf_skb_adjust_room(ctx, headers, BPF_ADJ_ROOM_MAC, 0);
}

#else

static __always_inline int make_room(context* ctx, __u32 l3, __u32 quote, int headers)
{
  long spare = (long)(l3 + quote) - (long)frame_length(ctx);
  if (bpf_xdp_adjust_tail(ctx, spare) || bpf_xdp_adjust_head(ctx, -headers)) {
    return -1;
  }
  __u8* old = at(ctx, headers, ETH_HLEN + VLAN_TAG_BYTES);
  __u8* new = at(ctx, 0, ETH_HLEN + VLAN_TAG_BYTES);
  if (!old || !new) {
    return -1;
  }
  __builtin_memcpy(new, old, ETH_HLEN);
  if (l3 > ETH_HLEN) {
    __builtin_memcpy(new + ETH_HLEN, old + ETH_HLEN, VLAN_TAG_BYTES);
  }
  return 0;
}

#endif

static __always_inline __u32 sum_words(context* ctx, __u32 offset, __u32 words)
{
  __u32 sum = 0;
  for (__u32 i = 0; i < MAX_QUOTE_WORDS; i++) {
    if (i >= words) {
      break;
    }
    const __u16* word = at(ctx, offset + i * 2, 2);
    if (!word) {
      break;
    }
    sum += *word;
  }
  return sum;
}

static __always_inline void swap_macs(struct ethhdr* ethernet)
{
  __u8 mac[ETH_ALEN];
  copy_mac(mac, ethernet->h_dest);
  copy_mac(ethernet->h_dest, ethernet->h_source);
  copy_mac(ethernet->h_source, mac);
}

static __always_inline int write_answer(context* ctx,
                                        const struct packet* p,
                                        const struct answer* answer,
                                        __u32 quote)
{
  struct ethhdr* ethernet = at(ctx, 0, sizeof(*ethernet));
  struct iphdr* ip = at(ctx, p->l3, sizeof(*ip));
  struct icmp_header* icmp = at(ctx, p->l3 + sizeof(*ip), sizeof(*icmp));
  if (!ethernet || !ip || !icmp) {
    return -1;
  }
  swap_macs(ethernet);
  __builtin_memset(ip, 0, sizeof(*ip));
  ip->version = 4;
  ip->ihl = 5;
  ip->tot_len = bpf_htons(ANSWER_HEADERS_BYTES + quote);
  ip->ttl = ANSWER_HOP_LIMIT;
  ip->protocol = IPPROTO_ICMP;
  ip->saddr = answer->source;
  ip->daddr = p->source;
  ip->check = (__u16)~fold(sum_words(ctx, p->l3, sizeof(*ip) / 2));
  __builtin_memset(icmp, 0, sizeof(*icmp));
  icmp->type = answer->type;
  icmp->code = answer->code;
  icmp->sequence = answer->mtu;
  icmp->checksum = (__u16)~fold(sum_words(ctx, p->l3 + sizeof(*ip), (8 + quote) / 2));
  return 0;
}

/* RFC 1122 section 3.2.2: never about an ICMP error, nor about a later fragment. `ifindex` is where
 * the sender is. */
static __noinline int send_answer(context* ctx,
                                  const struct packet* p,
                                  const struct answer* answer,
                                  __u32 ifindex)
{
  if (!p || !answer) {
    return VERDICT_DROP;
  }
  if (!answer->source || p->is_icmp_error || p->fragment == FRAGMENT_LATER
      || !may_answer(ifindex)) {
    return VERDICT_DROP;
  }
  __u32 quote
    = p->l4 - p->l3 + (p->protocol == IPPROTO_TCP ? QUOTED_TCP_BYTES : QUOTED_TRANSPORT_BYTES);
  if (quote > p->length || quote > MAX_QUOTE_WORDS * 2) {
    return VERDICT_DROP;
  }
  if (make_room(ctx, p->l3, quote, ANSWER_HEADERS_BYTES) || write_answer(ctx, p, answer, quote)) {
    return VERDICT_DROP;
  }
  count(NAT_ANSWERED, ANSWER_HEADERS_BYTES + quote);
  return redirect_frame(ctx, ifindex);
}
