/* The guest's program behind a source of packets: each run makes a datagram of 64 bytes of one of
 * `flows` flows, in random order, since BPF_PROG_TEST_RUN repeats on the frame that the last run
 * left behind. */

#include "../../src/accel/nat.bpf.c"

#define PORTS_PER_GUEST 4096
#define FIRST_PORT 2048
#define DISCARD 9

struct traffic
{
  __u32 flows;
  __u32 first_guest; /* host order */
};

struct
{
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __type(key, __u32);
  __type(value, struct traffic);
  __uint(max_entries, 1);
} traffic SEC(".maps");

/* Flows in order while bindings are made, so that each is made; at random afterwards. */
struct
{
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __type(key, __u32);
  __type(value, __u32);
  __uint(max_entries, 1);
} position SEC(".maps");

static __always_inline int generate(context* ctx, int is_random)
{
  __u32 zero = 0;
  const struct traffic* wanted = bpf_map_lookup_elem(&traffic, &zero);
  __u32* next = bpf_map_lookup_elem(&position, &zero);
  struct ethhdr* ethernet = at(ctx, 0, sizeof(*ethernet));
  struct iphdr* ip = at(ctx, ETH_HLEN, sizeof(*ip));
  struct udphdr* udp = at(ctx, ETH_HLEN + sizeof(*ip), sizeof(*udp));
  if (!wanted || !next || !ethernet || !ip || !udp || !wanted->flows) {
    return -1;
  }
  __u32 draw = is_random ? bpf_get_prandom_u32() : (*next)++;
  __u32 flow = draw % wanted->flows;
  ethernet->h_proto = bpf_htons(ETH_P_IP);
  __builtin_memset(ip, 0, sizeof(*ip));
  ip->version = 4;
  ip->ihl = 5;
  ip->tot_len = bpf_htons(50);
  ip->ttl = 64;
  ip->protocol = IPPROTO_UDP;
  ip->saddr = bpf_htonl(wanted->first_guest + flow / PORTS_PER_GUEST);
  ip->daddr = bpf_htonl(0xc6336402); /* 198.51.100.2 */
  udp->source = bpf_htons(FIRST_PORT + flow % PORTS_PER_GUEST);
  udp->dest = bpf_htons(DISCARD);
  udp->len = bpf_htons(30);
  udp->check = 1;
  return 0;
}

SEC("xdp") int generate_only(context* ctx)
{
  return generate(ctx, 1) ? XDP_ABORTED : XDP_DROP;
}

SEC("xdp") int generate_bindings(context* ctx)
{
  return generate(ctx, 0) ? XDP_ABORTED : from_guest(ctx);
}

SEC("xdp") int generate_traffic(context* ctx)
{
  return generate(ctx, 1) ? XDP_ABORTED : from_guest(ctx);
}
