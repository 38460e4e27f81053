/* Both ends of a flood: a source as fast as the processor, and a sink that counts. */

#include "traffic.bpf.h"

#define INSIDE 10 /* 10.0.0.0/8 */

struct
{
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __type(key, __u32);
  __type(value, struct seen);
  __uint(max_entries, 1);
} seen SEC(".maps");

/* What a frame is given to; without it, to the kernel. */
struct
{
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __type(key, __u32);
  __type(value, __u32);
  __uint(max_entries, 1);
} next SEC(".maps");

/* As if a guest's interface had received it. */
SEC("xdp") int flood(struct xdp_md* ctx)
{
  struct datagram* made = write_datagram(ctx);
  if (!made) {
    return XDP_ABORTED;
  }
  write_checksums(made);
  bpf_tail_call(ctx, &next, 0);
  return XDP_PASS;
}

SEC("xdp") int sink(struct xdp_md* ctx)
{
  const struct ethhdr* ethernet = (void*)(long)ctx->data;
  const struct iphdr* ip = (void*)(ethernet + 1);
  __u32 zero = 0;
  struct seen* counts = bpf_map_lookup_elem(&seen, &zero);
  if (!counts || (void*)(ip + 1) > (void*)(long)ctx->data_end
      || ethernet->h_proto != bpf_htons(ETH_P_IP)) {
    return XDP_PASS;
  }
  if (bpf_ntohl(ip->saddr) >> 24 == INSIDE) {
    counts->inside++;
  } else {
    counts->outside++;
  }
  return XDP_DROP;
}

char live_license[] SEC("license") = "Dual BSD/GPL";
