#pragma once

/* New bindings, made where the packet is (NAT_ALLOCATE). */

#include "packet.bpf.h"

#define RESERVED_PORTS 1024 /* RFC 4787 REQ-3a: these and the others are two classes */
#define RANDOM_TRIES 32
#define TRIES 160

/* A map that cannot take an element says something else: then a further try would be in vain. */
#define EEXIST 17

static __always_inline int in_ranges(const struct nat_range* ranges, __u32 count_of, __u32 address)
{
  for (__u32 i = 0; i < NAT_MAX_RANGES; i++) {
    if (i >= count_of) {
      break;
    }
    if (address - ranges[i].first < ranges[i].count) {
      return 1;
    }
  }
  return 0;
}

static __always_inline int is_external(const struct nat_settings* now, __be32 address)
{
  return in_ranges(now->external, now->external_ranges, bpf_ntohl(address));
}

static __always_inline int is_internal(const struct nat_settings* now, __be32 address)
{
  return in_ranges(now->internal, now->internal_ranges, bpf_ntohl(address));
}

/* The external address number `index`, host order; 0 if there are not so many. */
static __always_inline __u32 external_address(const struct nat_settings* now, __u32 index)
{
  for (__u32 i = 0; i < NAT_MAX_RANGES && i < now->external_ranges; i++) {
    if (index < now->external[i].count) {
      return now->external[i].first + index;
    }
    index -= now->external[i].count;
  }
  return 0;
}

/* Which internal address this is, counted over all ranges. */
static __always_inline __u32 internal_index(const struct nat_settings* now, __u32 address)
{
  __u32 before = 0;
  for (__u32 i = 0; i < NAT_MAX_RANGES && i < now->internal_ranges; i++) {
    if (address - now->internal[i].first < now->internal[i].count) {
      return before + address - now->internal[i].first;
    }
    before += now->internal[i].count;
  }
  return before;
}

static __always_inline __u32 scatter(__u32 value)
{
  value ^= value >> 16;
  value *= 0x7feb352d;
  return value ^ value >> 15;
}

/* Where an internal endpoint's port may lie. */
struct port_choice
{
  __u32 address; /* host order; 0: there is none */
  __u32 first;
  __u32 count;
};

/* All endpoints of one internal address share an external one (RFC 4787 REQ-2). With port blocks
 * both follow from the address alone, so that nothing needs to be logged (RFC 7422). */
static __always_inline struct port_choice choose(const struct nat_settings* now,
                                                 const struct nat_endpoint* internal)
{
  struct port_choice choice = {.first = now->port_first};
  __u32 address = bpf_ntohl(internal->address);
  __u32 ports = (__u32)now->port_last - now->port_first + 1;
  if (now->block_ports) {
    __u32 blocks = ports / now->block_ports;
    __u32 index = internal_index(now, address);
    if (blocks) {
      choice.address = external_address(now, index / blocks);
      choice.first += index % blocks * now->block_ports;
      choice.count = now->block_ports;
    }
    return choice;
  }
  if (now->external_addresses) {
    choice.address = external_address(now, scatter(address) % now->external_addresses);
  }
  choice.count = ports;
  if (internal->protocol == IPPROTO_ICMP) {
    choice.first = 0;
    choice.count = 65536;
  } else if (bpf_ntohs(internal->port) < RESERVED_PORTS && !(now->flags & NAT_POOL_IS_LOCAL)) {
    /* Where the address is the host's own, these are its services'. */
    choice.first = 1;
    choice.count = RESERVED_PORTS - 1;
  }
  return choice;
}

/* Claims an external endpoint for `owner`: random tries, since ports should be hard to guess (RFC
 * 6888 REQ-15), then in a row from the last, so that a small block can be used up. */
static __noinline int claim(const struct port_choice* choice,
                            struct nat_endpoint* external,
                            const struct nat_owner* owner)
{
  if (!choice || !external || !owner || !choice->count) {
    return 0;
  }
  __u32 offset = 0;
  for (int i = 0; i < TRIES; i++) {
    offset = i < RANDOM_TRIES ? bpf_get_prandom_u32() : offset + 1;
    offset %= choice->count;
    external->port = bpf_htons(choice->first + offset);
    long error = bpf_map_update_elem(&owners, external, owner, BPF_NOEXIST);
    if (!error) {
      return 1;
    }
    if (error != -EEXIST) {
      return 0;
    }
  }
  return 0;
}

/* Counts a new binding of the subscriber; false if that were one too many. Both counters begin anew
 * when they agree (NatExpiry), one after the other, so that for a moment more may have ended than
 * begun. */
static __always_inline int charge(const struct nat_settings* now,
                                  const struct nat_subscriber_key* key)
{
  if (!now->quota) {
    return 1;
  }
  struct nat_subscriber* subscriber = bpf_map_lookup_elem(&subscribers, key);
  if (!subscriber) {
    struct nat_subscriber none = {};
    bpf_map_update_elem(&subscribers, key, &none, BPF_NOEXIST);
    subscriber = bpf_map_lookup_elem(&subscribers, key);
    if (!subscriber) {
      return 0;
    }
  }
  const __u32* gone = bpf_map_lookup_elem(&released, key);
  __u32 live = __sync_fetch_and_add(&subscriber->opened, 1) - (gone ? *gone : 0);
  if ((__s32)live >= 0 && live >= now->quota) {
    __sync_fetch_and_add(&subscriber->opened, -1);
    __sync_fetch_and_add(&subscriber->refused, 1);
    return 0;
  }
  return 1;
}

static __always_inline void discharge(const struct nat_settings* now,
                                      const struct nat_subscriber_key* key)
{
  struct nat_subscriber* subscriber = bpf_map_lookup_elem(&subscribers, key);
  if (subscriber && now->quota) {
    __sync_fetch_and_add(&subscriber->opened, -1);
  }
}

/* The owner's entry is the claim and comes first; the binding second. Who finds that another
 * processor has bound the endpoint meanwhile gives the claim back and uses that one's. */
static __always_inline __u32 bind_endpoint(const struct nat_settings* now_set,
                                           const struct nat_endpoint* internal,
                                           const struct nat_owner* owner,
                                           __u64 now)
{
  struct port_choice choice = choose(now_set, internal);
  struct nat_endpoint external
    = {.address = bpf_htonl(choice.address), .protocol = internal->protocol};
  if (!choice.address || !claim(&choice, &external, owner)) {
    report(NAT_EVENT_EXHAUSTED, internal, &external);
    return NAT_DROP_EXHAUSTED;
  }
  struct nat_binding binding = {
    .address = external.address,
    .port = external.port,
    .last_out = now,
    .generation = now_set->generation,
  };
  long error = bpf_map_update_elem(&bindings, internal, &binding, BPF_NOEXIST);
  if (!error) {
    count(NAT_ALLOCATED, 0);
    report(NAT_EVENT_BOUND, internal, &external);
    return 0;
  }
  bpf_map_delete_elem(&owners, &external);
  if (error == -EEXIST) {
    count(NAT_RACE_LOST, 0);
    return NAT_RACE_LOST;
  }
  report(NAT_EVENT_EXHAUSTED, internal, &external);
  return NAT_DROP_EXHAUSTED;
}

/* Returns 0 when `internal` has a binding, or the statistic that says why it has none. */
static __always_inline __u32 allocate(const struct nat_settings* now_set,
                                      const struct nat_endpoint* internal,
                                      const struct nat_owner* owner,
                                      __u64 now)
{
  struct nat_subscriber_key subscriber = {.address = internal->address, .zone = internal->zone};
  if (!charge(now_set, &subscriber)) {
    struct nat_endpoint none = {};
    report(NAT_EVENT_QUOTA, internal, &none);
    return NAT_DROP_QUOTA;
  }
  __u32 failure = bind_endpoint(now_set, internal, owner, now);
  if (failure) {
    discharge(now_set, &subscriber);
  }
  return failure == NAT_RACE_LOST ? 0 : failure;
}
