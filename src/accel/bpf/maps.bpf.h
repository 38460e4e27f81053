#pragma once

/* Sizes of the large maps are set by the loader; what stands here is for a test. None that holds
 * bindings is an LRU map: an eviction would break the two minutes of RFC 4787 REQ-5. */

#include "slirpstack/nat_map.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>

#define DEFAULT_ENTRIES 65536

struct
{
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __type(key, __u32);
  __type(value, struct nat_settings);
  __uint(max_entries, 1);
} settings SEC(".maps");

struct
{
  __uint(type, BPF_MAP_TYPE_HASH);
  __type(key, struct nat_endpoint);
  __type(value, struct nat_binding);
  __uint(max_entries, DEFAULT_ENTRIES);
} bindings SEC(".maps");

struct
{
  __uint(type, BPF_MAP_TYPE_HASH);
  __type(key, struct nat_endpoint);
  __type(value, struct nat_owner);
  __uint(max_entries, DEFAULT_ENTRIES);
} owners SEC(".maps");

struct
{
  __uint(type, BPF_MAP_TYPE_HASH);
  __type(key, struct nat_session_key);
  __type(value, struct nat_session);
  __uint(max_entries, DEFAULT_ENTRIES);
} sessions SEC(".maps");

struct
{
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __type(key, __u32);
  __type(value, __u32);
  __uint(max_entries, 2);
} visitors SEC(".maps");

/* An array that can be mapped into memory begins on a page, so that an entry is a cache line. */
struct
{
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __type(key, __u32);
  __type(value, struct nat_recent);
  __uint(max_entries, DEFAULT_ENTRIES);
  __uint(map_flags, BPF_F_MMAPABLE);
} recent SEC(".maps");

struct
{
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __type(key, __u32);
  __type(value, __u64);
  __uint(max_entries, NAT_ENDED_SLOTS);
  __uint(map_flags, BPF_F_MMAPABLE);
} ended SEC(".maps");

struct
{
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __type(key, struct nat_fragment_key);
  __type(value, struct nat_fragment);
  __uint(max_entries, 65536);
} fragments SEC(".maps");

struct
{
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __type(key, struct nat_fragment_key);
  __type(value, __u32);
  __uint(max_entries, 8192);
} awaited SEC(".maps");

/* Apart from `events`, which a flood of fragments must not displace. */
struct
{
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 19);
} early SEC(".maps");

struct
{
  __uint(type, BPF_MAP_TYPE_HASH);
  __type(key, struct nat_subscriber_key);
  __type(value, struct nat_subscriber);
  __uint(max_entries, DEFAULT_ENTRIES);
} subscribers SEC(".maps");

struct
{
  __uint(type, BPF_MAP_TYPE_HASH);
  __type(key, struct nat_subscriber_key);
  __type(value, __u32);
  __uint(max_entries, DEFAULT_ENTRIES);
} released SEC(".maps");

struct
{
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __type(key, struct nat_route_key);
  __type(value, __u32);
  __uint(max_entries, 16384);
  __uint(map_flags, BPF_F_NO_PREALLOC);
} exempt SEC(".maps");

struct
{
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __type(key, struct nat_route_key);
  __type(value, struct nat_route);
  __uint(max_entries, 16384);
  __uint(map_flags, BPF_F_NO_PREALLOC);
} routes SEC(".maps");

struct
{
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __type(key, struct nat_route6_key);
  __type(value, struct nat_route);
  __uint(max_entries, 16384);
  __uint(map_flags, BPF_F_NO_PREALLOC);
} routes6 SEC(".maps");

/* Two entries for each of 10,000 mappings; the loader has as many for each guest. */
struct
{
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __type(key, struct nat_prefix_key);
  __type(value, struct nat_prefix);
  __uint(max_entries, 20000);
  __uint(map_flags, BPF_F_NO_PREALLOC);
} prefixes SEC(".maps");

/* Only user space adds entries, so that it takes no memory where there are no mappings. */
struct
{
  __uint(type, BPF_MAP_TYPE_HASH);
  __type(key, struct nat_mapped_key);
  __type(value, struct nat_mapped);
  __uint(max_entries, DEFAULT_ENTRIES);
  __uint(map_flags, BPF_F_NO_PREALLOC);
} mapped SEC(".maps");

struct
{
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __type(key, struct nat_mapped_piece_key);
  __type(value, struct nat_mapped_piece);
  __uint(max_entries, 8192);
} mapped_pieces SEC(".maps");

/* Empty where each guest has one Ethernet address; what is evicted is noted again. */
struct
{
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __type(key, struct nat_station_key);
  __type(value, struct nat_station);
  __uint(max_entries, 8192);
} stations SEC(".maps");

struct
{
  __uint(type, BPF_MAP_TYPE_HASH);
  __type(key, __u32);
  __type(value, struct nat_interface);
  __uint(max_entries, 4096);
} interfaces SEC(".maps");

struct
{
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __type(key, __u32);
  __type(value, __u64);
  __uint(max_entries, 1);
} heartbeat SEC(".maps");

struct
{
  __uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
  __type(key, __u32);
  __type(value, __u32);
  __uint(max_entries, 4096);
} devices SEC(".maps");

struct
{
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __type(key, __u32);
  __type(value, struct nat_count);
  __uint(max_entries, NAT_STATISTICS);
} statistics SEC(".maps");

struct
{
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 20);
} events SEC(".maps");

static __always_inline void count(__u32 statistic, __u32 bytes)
{
  struct nat_count* counter = bpf_map_lookup_elem(&statistics, &statistic);
  if (counter) {
    counter->packets++;
    counter->bytes += bytes;
  }
}

static __always_inline struct nat_settings* current_settings(void)
{
  __u32 zero = 0;
  return bpf_map_lookup_elem(&settings, &zero);
}

/* An event that finds no room is lost: it is for the log, nothing depends on it. */
static __noinline int report(__u32 kind,
                             const struct nat_endpoint* internal,
                             const struct nat_endpoint* external)
{
  if (!internal || !external) {
    return -1;
  }
  struct nat_event* event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
  if (!event) {
    return -1;
  }
  event->time = bpf_ktime_get_coarse_ns();
  event->kind = kind;
  event->zero = 0;
  event->internal = *internal;
  event->external = *external;
  __builtin_memset(event->address, 0, sizeof(event->address));
  bpf_ringbuf_submit(event, 0);
  return 0;
}

static __noinline int report_unresolved6(const __u8* address)
{
  struct nat_event* event = address ? bpf_ringbuf_reserve(&events, sizeof(*event), 0) : 0;
  if (!event) {
    return -1;
  }
  __builtin_memset(event, 0, sizeof(*event));
  event->time = bpf_ktime_get_coarse_ns();
  event->kind = NAT_EVENT_UNRESOLVED6;
  __builtin_memcpy(event->address, address, sizeof(event->address));
  bpf_ringbuf_submit(event, 0);
  return 0;
}
