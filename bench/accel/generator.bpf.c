/* The guest's program behind a source of packets. */

#include "../../src/accel/nat.bpf.c"
#include "traffic.bpf.h"

/* The prefix that stands for number i is fd00:0:i::/48. */
static __always_inline int write_ipv6(struct xdp_md* ctx)
{
  const struct traffic* wanted = wanted_traffic();
  struct ethhdr* ethernet = (void*)(long)ctx->data;
  struct ipv6hdr* ip = (void*)(ethernet + 1);
  if (!wanted || (void*)(ip + 1) > (void*)(long)ctx->data_end) {
    return -1;
  }
  ethernet->h_proto = bpf_htons(ETH_P_IPV6);
  __builtin_memset(ip, 0, sizeof(*ip));
  ip->version = 6;
  ip->nexthdr = IPPROTO_UDP;
  ip->hop_limit = 64;
  ip->payload_len = bpf_htons(10);
  ip->saddr.in6_u.u6_addr32[0] = bpf_htonl(0xfd000000);
  ip->saddr.in6_u.u6_addr32[1] = bpf_htonl(next_flow(wanted) << 16);
  ip->saddr.in6_u.u6_addr32[3] = bpf_htonl(2);
  ip->daddr.in6_u.u6_addr32[0] = bpf_htonl(0x20010db8);
  ip->daddr.in6_u.u6_addr32[3] = bpf_htonl(53);
  return 0;
}

SEC("xdp") int generate_only(context* ctx)
{
  return write_datagram(ctx) ? XDP_DROP : XDP_ABORTED;
}

SEC("xdp") int generate_traffic(context* ctx)
{
  return write_datagram(ctx) ? from_guest(ctx) : XDP_ABORTED;
}

SEC("xdp") int generate_ipv6_only(context* ctx)
{
  return write_ipv6(ctx) ? XDP_ABORTED : XDP_DROP;
}

SEC("xdp") int generate_ipv6(context* ctx)
{
  return write_ipv6(ctx) ? XDP_ABORTED : from_guest(ctx);
}
