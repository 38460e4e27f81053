/* What is asked of the generators; shared by BPF and C++. */
#ifndef SLIRPSTACK_BENCH_TRAFFIC_H
#define SLIRPSTACK_BENCH_TRAFFIC_H

#include <linux/types.h>

struct traffic
{
  __u32 flows;       /* for IPv6: prefixes */
  __u32 is_random;   /* else one flow after the other */
  __u32 first_guest; /* host order; the guests follow one another */
  __u8 destination_mac[6];
  __u8 source_mac[6];
};

/* What a sink has seen. */
struct seen
{
  __u64 inside;  /* packets under an internal address: not translated */
  __u64 outside; /* under any other */
};

#endif
