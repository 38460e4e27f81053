#pragma once

/* Checksums that the sender's kernel has left to a device (CHECKSUM_PARTIAL). Where in the packet it
 * will be written the sender says, and with a packet socket (PACKET_VNET_HDR) that is a guest's to
 * choose: two bytes of its choice, written when all has been judged and translated. So it has to be
 * where the checksum of the transport header is, or in its data. With XDP it has been written before
 * the programs see the packet. */

#include "packet.bpf.h"

#include <linux/ipv6.h>

#ifdef NAT_TC

#include <bpf/bpf_core_read.h>

#define CHECKSUM_PARTIAL 3
#define TCP_CHECKSUM_OFFSET 16
#define UDP_CHECKSUM_OFFSET 6

/* The kernel's own, of which __sk_buff shows nothing of this; found by its types. */
struct sk_buff___unfinished
{
  unsigned char* head;
  unsigned char* data;
  __u8 ip_summed : 2;
  __u16 csum_start;
  __u16 csum_offset;
} __attribute__((preserve_access_index));

struct transport_place
{
  __u32 start;
  __u32 checksum; /* from there; 0: not one that is known */
  __u32 bytes;    /* of the header, without options */
};

static __always_inline void find_transport(context* ctx, struct transport_place* place)
{
  __u32 l3 = 0;
  __u8 protocol = 0;
  __be16 type = ethertype(ctx, &l3);
  if (type == bpf_htons(ETH_P_IP)) {
    const struct iphdr* ip = at(ctx, l3, sizeof(*ip));
    if (!ip || ip->frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_OFFSET_MASK)) {
      return;
    }
    place->start = l3 + ip->ihl * 4;
    protocol = ip->protocol;
  } else if (type == bpf_htons(ETH_P_IPV6)) {
    const struct ipv6hdr* ip = at(ctx, l3, sizeof(*ip));
    if (!ip) {
      return;
    }
    place->start = l3 + sizeof(*ip);
    protocol = ip->nexthdr;
  }
  if (protocol == IPPROTO_TCP) {
    place->checksum = TCP_CHECKSUM_OFFSET;
    place->bytes = sizeof(struct tcphdr);
  } else if (protocol == IPPROTO_UDP) {
    place->checksum = UDP_CHECKSUM_OFFSET;
    place->bytes = sizeof(struct udphdr);
  }
}

/* Whether a device will write where a checksum has no business. */
static __noinline int is_unfinished_wrongly(context* ctx)
{
  struct sk_buff___unfinished* frame = (void*)ctx;
  if (BPF_CORE_READ_BITFIELD_PROBED(frame, ip_summed) != CHECKSUM_PARTIAL) {
    return 0;
  }
  struct transport_place transport = {};
  find_transport(ctx, &transport);
  if (!transport.checksum) {
    return 1;
  }
  __u64 headroom = BPF_CORE_READ(frame, data) - BPF_CORE_READ(frame, head);
  __u64 start = BPF_CORE_READ(frame, csum_start) - headroom;
  __u64 written = start + BPF_CORE_READ(frame, csum_offset);
  int is_own = start == transport.start && written == start + transport.checksum;
  int is_in_data = written >= transport.start + transport.bytes && written <= frame_length(ctx) - 2;
  return !is_own && !is_in_data;
}

#else

static __always_inline int is_unfinished_wrongly(context* ctx)
{
  return 0;
}

#endif
