#pragma once

/* Datagrams of 64 bytes (Ethernet included) of one of many flows, each written over the whole
 * frame: BPF_PROG_TEST_RUN repeats on the frame that the last run has left behind. */

#include "../../src/accel/bpf/checksum.bpf.h"
#include "traffic.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#define PORTS_PER_GUEST 4096
#define FIRST_PORT 2048
#define DISCARD 9
#define FIRST_SERVER 0xc0000201 /* 192.0.2.1 */
#define SERVERS 16              /* so that a NAT of one address finds free ports easily */
#define DATA_BYTES 22

struct
{
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __type(key, __u32);
  __type(value, struct traffic);
  __uint(max_entries, 1);
} traffic SEC(".maps");

struct
{
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __type(key, __u32);
  __type(value, __u32);
  __uint(max_entries, 1);
} position SEC(".maps");

struct datagram
{
  struct ethhdr ethernet;
  struct iphdr ip;
  struct udphdr udp;
  __u8 data[DATA_BYTES];
} __attribute__((packed));

static __always_inline const struct traffic* wanted_traffic(void)
{
  __u32 zero = 0;
  const struct traffic* wanted = bpf_map_lookup_elem(&traffic, &zero);
  return wanted && wanted->flows ? wanted : 0;
}

/* In order while bindings are made, so that each is made; at random afterwards, as the packets of
 * many guests come. */
static __always_inline __u32 next_flow(const struct traffic* wanted)
{
  __u32 zero = 0;
  __u32* next = bpf_map_lookup_elem(&position, &zero);
  if (!wanted->is_random && next) {
    return (*next)++ % wanted->flows;
  }
  return bpf_get_prandom_u32() % wanted->flows;
}

static __always_inline __u32 sum_of(const void* from, __u32 words)
{
  const __u16* word = from;
  __u32 sum = 0;
#pragma unroll
  for (__u32 i = 0; i < words; i++) {
    sum += word[i];
  }
  return sum;
}

static __always_inline void write_checksums(struct datagram* to)
{
  __u16 length = bpf_htons(sizeof(to->udp) + DATA_BYTES);
  to->udp.check = 0;
  to->ip.check = ~fold(sum_of(&to->ip, sizeof(to->ip) / 2));
  __u32 sum = sum_of(&to->ip.saddr, 4) + bpf_htons(IPPROTO_UDP) + length;
  to->udp.check = ~fold(sum + sum_of(&to->udp, (sizeof(to->udp) + DATA_BYTES) / 2));
}

/* The checksums are none; whoever sends the datagram to a kernel writes them too. */
static __always_inline struct datagram* write_datagram(struct xdp_md* ctx)
{
  const struct traffic* wanted = wanted_traffic();
  struct datagram* to = (void*)(long)ctx->data;
  if (!wanted || (void*)(to + 1) > (void*)(long)ctx->data_end) {
    return 0;
  }
  __u32 flow = next_flow(wanted);
  __builtin_memcpy(to->ethernet.h_dest, wanted->destination_mac, ETH_ALEN);
  __builtin_memcpy(to->ethernet.h_source, wanted->source_mac, ETH_ALEN);
  to->ethernet.h_proto = bpf_htons(ETH_P_IP);
  __builtin_memset(&to->ip, 0, sizeof(to->ip));
  to->ip.version = 4;
  to->ip.ihl = sizeof(to->ip) / 4;
  to->ip.tot_len = bpf_htons(sizeof(*to) - sizeof(to->ethernet));
  to->ip.ttl = 64;
  to->ip.protocol = IPPROTO_UDP;
  to->ip.saddr = bpf_htonl(wanted->first_guest + flow / PORTS_PER_GUEST);
  to->ip.daddr = bpf_htonl(FIRST_SERVER + flow % SERVERS);
  to->udp.source = bpf_htons(FIRST_PORT + flow % PORTS_PER_GUEST);
  to->udp.dest = bpf_htons(DISCARD);
  to->udp.len = bpf_htons(sizeof(to->udp) + DATA_BYTES);
  to->udp.check = 1;
  return to;
}
