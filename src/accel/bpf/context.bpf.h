#pragma once

/* What XDP and TC do differently: the frame's context, where a verdict sends it, and checksums
 * that the sender's kernel has left to its device. All else reads and writes the frame in place,
 * through at(). */

#include "checksum.bpf.h"
#include "maps.bpf.h"

#include <bpf/bpf_endian.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

#ifdef NAT_TC
typedef struct __sk_buff context;
/* The next program or filter of the interface is asked, and if there is none the host's stack gets
 * the packet. TC_ACT_OK would pass over the host's own policing. */
#define VERDICT_HOST TC_ACT_UNSPEC
#define VERDICT_DROP TC_ACT_SHOT
#else
typedef struct xdp_md context;
#define VERDICT_HOST XDP_PASS
#define VERDICT_DROP XDP_DROP
#endif

/* Ethernet, one VLAN tag, two IPv4 headers with all their options, and 28 bytes between them. */
#define MAX_OFFSET 0xff

/* `size` bytes of the frame, or null where it is shorter. A call of a helper that changes the frame
 * invalidates the pointer. */
static __always_inline void* at(context* ctx, __u32 offset, __u32 size)
{
  /* Keeps clang from sharing the address of a field between calls: the verifier wants to see each
   * field of the context read by its constant offset. */
  asm volatile("" : "+r"(ctx));
  void* end = (void*)(long)ctx->data_end;
  void* start = (void*)(long)ctx->data + (offset & MAX_OFFSET);
  return start + size > end ? 0 : start;
}

static __always_inline void copy_mac(__u8* to, const __u8* from)
{
  __builtin_memcpy(to, from, ETH_ALEN);
}

static __always_inline int dropped(__u32 statistic, __u32 bytes)
{
  count(statistic, bytes);
  return VERDICT_DROP;
}

static __always_inline int to_host(__u32 bytes)
{
  count(NAT_TO_HOST, bytes);
  return VERDICT_HOST;
}

#ifdef NAT_TC

static __always_inline __u32 arrival(context* ctx)
{
  return ctx->ifindex;
}

static __always_inline __u32 frame_length(context* ctx)
{
  return ctx->len;
}

/* A copy of bytes that lie too far back for at(). */
static __always_inline long load_bytes(context* ctx, __u32 offset, void* to, __u32 size)
{
  return bpf_skb_load_bytes(ctx, offset, to, size);
}

/* A VLAN tag that is not in the frame. */
static __always_inline int has_tag_aside(context* ctx)
{
  return ctx->vlan_present != 0;
}

static __always_inline void note_tag_aside(context* ctx, __be16* protocol, __u16* tag)
{
  *protocol = ctx->vlan_present ? ctx->vlan_proto : 0;
  *tag = ctx->vlan_tci;
}

/* All that is looked at of a TCP segment lies together, as its sender's kernel has made it. */
static __always_inline int is_tcp_at_hand(context* ctx)
{
  const struct ethhdr* ethernet = at(ctx, 0, sizeof(*ethernet));
  const struct iphdr* ip = at(ctx, ETH_HLEN, sizeof(*ip) + sizeof(struct tcphdr));
  if (!ethernet || !ip) {
    return 0;
  }
  if (ethernet->h_proto == bpf_htons(ETH_P_IP)) {
    return ip->ihl == sizeof(*ip) / 4 && ip->protocol == IPPROTO_TCP;
  }
  const struct ipv6hdr* ipv6 = at(ctx, ETH_HLEN, sizeof(*ipv6) + sizeof(struct tcphdr));
  return ethernet->h_proto == bpf_htons(ETH_P_IPV6) && ipv6 && ipv6->nexthdr == IPPROTO_TCP;
}

/* The headers may lie in pages of their own. More than they are of a super-segment is not wanted:
 * the kernel would copy its head, and count references to each page of its data. */
static __always_inline void make_readable(context* ctx, __u32 bytes)
{
  __u32 wanted = ctx->len < bytes ? ctx->len : bytes;
  if ((long)ctx->data + wanted > (long)ctx->data_end && !is_tcp_at_hand(ctx)) {
    bpf_skb_pull_data(ctx, wanted);
  }
}

/* How much of a super-segment's data each of its segments carries; 0: it is none. */
static __always_inline __u32 segment_bytes(context* ctx)
{
  return ctx->gso_size;
}

static __always_inline int redirect_frame(context* ctx, __u32 ifindex)
{
  return bpf_redirect(ifindex, 0);
}

static __always_inline int redirect_to_guest(context* ctx, __u32 ifindex)
{
  const struct nat_settings* now = current_settings();
  return now && now->flags & NAT_REDIRECT_PEER ? bpf_redirect_peer(ifindex, 0)
                                               : bpf_redirect(ifindex, 0);
}

/* With CHECKSUM_PARTIAL the field holds the pseudo-header's sum alone, in which ports have no part;
 * the helpers know. */
static __always_inline void fix_transport(context* ctx,
                                          __u32 offset,
                                          __u32 addresses,
                                          __u32 ports,
                                          int is_udp)
{
  __u64 flags = is_udp ? BPF_F_MARK_MANGLED_0 : 0;
  bpf_l4_csum_replace(ctx, offset, 0, addresses, flags | BPF_F_PSEUDO_HDR);
  if (ports) {
    bpf_l4_csum_replace(ctx, offset, 0, ports, flags);
  }
}

/* A device may have summed up the frame (CHECKSUM_COMPLETE), and the sum has to follow it. For IPv4
 * it does: the header's checksum cancels out what changes there, and the helpers see to the rest.
 * To be told of an IPv6 packet is what no checksum in it cancels out, and what its addresses change
 * by: fix_transport() takes that from the sum, as if it were IPv4's, since the helper
 * (inet_proto_csum_replace_by_diff() in net/core/utils.c) does so unless it is given BPF_F_IPV6,
 * which kernels before 6.16 refuse. Without such a sum nothing is done. */
static __always_inline void note_change(context* ctx, __u32 change)
{
  bpf_csum_update(ctx, change);
}

#else

static __always_inline __u32 arrival(context* ctx)
{
  return ctx->ingress_ifindex;
}

static __always_inline __u32 frame_length(context* ctx)
{
  unsigned long length = (unsigned long)ctx->data_end - (unsigned long)ctx->data;
  /* From here on a number for clang too, which would otherwise add to the pointers. */
  asm volatile("" : "+r"(length));
  return length;
}

static __always_inline long load_bytes(context* ctx, __u32 offset, void* to, __u32 size)
{
  return bpf_xdp_load_bytes(ctx, offset, to, size);
}

static __always_inline void make_readable(context* ctx, __u32 bytes) {}

static __always_inline int has_tag_aside(context* ctx)
{
  return 0;
}

static __always_inline void note_tag_aside(context* ctx, __be16* protocol, __u16* tag)
{
  *protocol = *tag = 0;
}

static __always_inline __u32 segment_bytes(context* ctx)
{
  return 0;
}

/* To the frame's own device too: XDP_TX on a veth pair stalls where the peer has GRO and no XDP. */
static __always_inline int redirect_frame(context* ctx, __u32 ifindex)
{
  return bpf_redirect_map(&devices, ifindex, XDP_DROP);
}

static __always_inline int redirect_to_guest(context* ctx, __u32 ifindex)
{
  return redirect_frame(ctx, ifindex);
}

static __always_inline void fix_transport(context* ctx,
                                          __u32 offset,
                                          __u32 addresses,
                                          __u32 ports,
                                          int is_udp)
{
  __u16* checksum = at(ctx, offset, sizeof(*checksum));
  if (checksum) {
    *checksum = is_udp ? adjusted_udp(*checksum, addresses + ports)
                       : adjusted(*checksum, addresses + ports);
  }
}

static __always_inline void note_change(context* ctx, __u32 change) {}

#endif

/* What has to fit the way: a packet, or each segment of a super-segment. */
static __always_inline __u32 length_on_wire(context* ctx, __u32 length, __u32 headers)
{
  __u32 segment = segment_bytes(ctx);
  return segment ? headers + segment : length;
}
