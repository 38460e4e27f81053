#pragma once

/* Reads an IPv4 packet's headers once; what follows works on the copy. */

#include "context.bpf.h"

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#define VLAN_TAG_BYTES 4
#define IP_DONT_FRAGMENT 0x4000
#define IP_MORE_FRAGMENTS 0x2000
#define IP_OFFSET_MASK 0x1fff

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* linux/icmp.h needs the C library's headers for this machine, which are none for BPF. */
enum icmp_type
{
  ICMP_ECHOREPLY = 0,
  ICMP_DEST_UNREACH = 3,
  ICMP_ECHO = 8,
  ICMP_TIME_EXCEEDED = 11,
  ICMP_PARAMETERPROB = 12,
  ICMP_TIMESTAMP = 13,
  ICMP_TIMESTAMPREPLY = 14,
};

struct icmp_header
{
  __u8 type;
  __u8 code;
  __u16 checksum;
  __be16 identifier; /* of queries */
  __be16 sequence;   /* of queries; of "fragmentation needed" the MTU (RFC 1191 section 4) */
};

enum fragment_place
{
  FRAGMENT_NONE,
  FRAGMENT_FIRST,
  FRAGMENT_LATER,
};

struct packet
{
  __u32 l3; /* where in the frame the IPv4 header lies, and what follows it */
  __u32 l4;
  __u32 length; /* as the IPv4 header states it */
  __be32 source;
  __be32 destination;
  __be16 source_port; /* for an ICMP query both are its identifier */
  __be16 destination_port;
  __be16 identification;
  __u8 protocol;
  __u8 hop_limit;
  __u8 fragment; /* fragment_place */
  __u8 dont_fragment;
  __u8 tcp_flags;
  __u8 icmp_type;
  __u8 is_icmp_error;
  __u8 header_bytes; /* of TCP or UDP */
};

enum parse_result
{
  PARSED,
  PARSE_OTHER, /* not IPv4 */
  PARSE_MALFORMED,
  PARSE_PROTOCOL,
  PARSE_FRAGMENT, /* a later fragment whose first one has not been seen */
  PARSE_ASIDE,    /* one whose first has gone to slirpstack, or from outside to the host */
};

/* The ethertype behind at most one VLAN tag, 0 if there is none; sets where its header begins. */
static __always_inline __be16 ethertype(context* ctx, __u32* l3)
{
  const struct ethhdr* ethernet = at(ctx, 0, sizeof(*ethernet));
  if (!ethernet) {
    return 0;
  }
  *l3 = ETH_HLEN;
  if (ethernet->h_proto != bpf_htons(ETH_P_8021Q) && ethernet->h_proto != bpf_htons(ETH_P_8021AD)) {
    return ethernet->h_proto;
  }
  *l3 += VLAN_TAG_BYTES;
  const __be16* inner = at(ctx, ETH_HLEN + 2, sizeof(*inner));
  return inner ? *inner : 0;
}

static __always_inline int is_tagged(context* ctx)
{
  __u32 l3 = ETH_HLEN;
  ethertype(ctx, &l3);
  return l3 != ETH_HLEN || has_tag_aside(ctx);
}

static __always_inline int parse_network(context* ctx, struct packet* p)
{
  if (ethertype(ctx, &p->l3) != bpf_htons(ETH_P_IP)) {
    return PARSE_OTHER;
  }
  const struct iphdr* ip = at(ctx, p->l3, sizeof(*ip));
  if (!ip || ip->version != 4 || ip->ihl < 5) {
    return PARSE_MALFORMED;
  }
  p->l4 = p->l3 + ip->ihl * 4;
  p->length = bpf_ntohs(ip->tot_len);
  if (p->l3 + p->length > frame_length(ctx) || p->l3 + p->length < p->l4) {
    return PARSE_MALFORMED;
  }
  __u16 place = bpf_ntohs(ip->frag_off);
  p->fragment = place & IP_OFFSET_MASK      ? FRAGMENT_LATER
                : place & IP_MORE_FRAGMENTS ? FRAGMENT_FIRST
                                            : FRAGMENT_NONE;
  p->dont_fragment = (place & IP_DONT_FRAGMENT) != 0;
  p->identification = ip->id;
  p->protocol = ip->protocol;
  p->hop_limit = ip->ttl;
  p->source = ip->saddr;
  p->destination = ip->daddr;
  return PARSED;
}

/* More than the transport header; of a fragment that is not known. */
static __always_inline int has_payload(const struct packet* p)
{
  return p->fragment != FRAGMENT_NONE || p->l3 + p->length > p->l4 + p->header_bytes;
}

#define OPTION_END 0
#define OPTION_NO_OPERATION 1
#define OPTION_LOOSE_SOURCE_ROUTE 131
#define OPTION_STRICT_SOURCE_ROUTE 137
#define MAX_OPTIONS_BYTES 40

/* Whether an option names routers on the packet's way (RFC 791 section 3.1): then policy knows its
 * next destination, not its last. Options that cannot be read might hide one. */
static __noinline int names_route(context* ctx, __u32 options, __u32 end)
{
  for (__u32 i = 0; i < MAX_OPTIONS_BYTES; i++) {
    if (options >= end) {
      return options > end;
    }
    const __u8* option = at(ctx, options, 1);
    if (!option || *option == OPTION_LOOSE_SOURCE_ROUTE || *option == OPTION_STRICT_SOURCE_ROUTE) {
      return 1;
    }
    if (*option == OPTION_END) {
      return 0;
    }
    if (*option == OPTION_NO_OPERATION) {
      options++;
      continue;
    }
    const __u8* length = at(ctx, options + 1, 1);
    if (!length || options + 1 >= end || *length < 2) {
      return 1;
    }
    options += *length;
  }
  return options != end;
}

static __always_inline int is_source_routed(context* ctx, const struct packet* p)
{
  __u32 options = p->l3 + sizeof(struct iphdr);
  return p->l4 > options && names_route(ctx, options, p->l4);
}

/* Whether the packet ends behind a transport header of that size. A frame may be longer. */
static __always_inline int has_room(const struct packet* p, __u32 bytes)
{
  return p->l4 + bytes <= p->l3 + p->length;
}

static __always_inline int parse_icmp(context* ctx, struct packet* p)
{
  const struct icmp_header* icmp = at(ctx, p->l4, sizeof(*icmp));
  if (!icmp || !has_room(p, sizeof(*icmp))) {
    return PARSE_MALFORMED;
  }
  p->icmp_type = icmp->type;
  switch (icmp->type) {
    case ICMP_ECHO:
    case ICMP_ECHOREPLY:
    case ICMP_TIMESTAMP:
    case ICMP_TIMESTAMPREPLY:
      p->source_port = p->destination_port = icmp->identifier;
      return PARSED;
    case ICMP_DEST_UNREACH:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAMETERPROB:
      p->is_icmp_error = 1;
      return PARSED;
  }
  return PARSE_PROTOCOL;
}

/* RFC 1858 section 3: a first fragment too short for its header is dropped. */
static __always_inline int parse_ports(context* ctx, struct packet* p)
{
  if (p->protocol == IPPROTO_TCP) {
    const struct tcphdr* tcp = at(ctx, p->l4, sizeof(*tcp));
    if (!tcp || !has_room(p, sizeof(*tcp))) {
      return PARSE_MALFORMED;
    }
    p->source_port = tcp->source;
    p->destination_port = tcp->dest;
    p->tcp_flags = ((const __u8*)tcp)[13];
    p->header_bytes = tcp->doff * 4;
    return PARSED;
  }
  if (p->protocol == IPPROTO_UDP) {
    const struct udphdr* udp = at(ctx, p->l4, sizeof(*udp));
    if (!udp || !has_room(p, sizeof(*udp))) {
      return PARSE_MALFORMED;
    }
    p->source_port = udp->source;
    p->destination_port = udp->dest;
    p->header_bytes = sizeof(*udp);
    return PARSED;
  }
  return p->protocol == IPPROTO_ICMP ? parse_icmp(ctx, p) : PARSE_PROTOCOL;
}
