#pragma once

/* Flows that have just been let out, with all that the next packet needs in one cache line. With
 * many flows a packet's time is its waits for memory, and a hash map takes three: its bucket, and
 * an element that lies in two lines. That for the binding and again for the session; a binding
 * alone costs no more than what is here, so it is not remembered.
 *
 * What is remembered is never older than NAT_RECENT_NS, and void at once when a binding or session
 * of that external port ends, or policy or filters change: so nothing passes that the maps would
 * not let pass. */

#include "session.bpf.h"

#define RECENT_TICK_BITS 26 /* 67 ms; a count of them fits in 32 bits for nine years */
#define RECENT_TICKS (NAT_RECENT_NS / (1 << RECENT_TICK_BITS) - 1)

static __always_inline __u32 recent_tick(__u64 now)
{
  return now >> RECENT_TICK_BITS;
}

/* Whether what a guest sends looks for a session; see session_out(). */
static __always_inline int has_session(const struct nat_settings* now_set, __u8 protocol)
{
  return protocol == IPPROTO_TCP || now_set->flags & NAT_ASK_REMOTES
         || filter_of(now_set, protocol) != NAT_FILTER_ENDPOINT;
}

/* Segments that change nothing but times. What goes to an external address is another guest's. */
static __always_inline int is_plain(const struct nat_settings* now_set, const struct packet* p)
{
  return now_set->recent_sets && has_session(now_set, p->protocol) && p->fragment == FRAGMENT_NONE
         && !(p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST))
         && !is_external(now_set, p->destination);
}

static __always_inline struct nat_recent* recent_set(const struct nat_settings* now_set,
                                                     const struct packet* p)
{
  __u32 ports = (__u32)p->source_port << 16 | p->destination_port;
  __u32 hash = scatter(p->source ^ scatter(ports + scatter(p->destination)));
  hash &= now_set->recent_sets - 1;
  return bpf_map_lookup_elem(&recent, &hash);
}

/* The protocol, and the rules that its packets are under. */
static __always_inline __u8 recent_rules(const struct nat_settings* now_set, __u8 protocol)
{
  __u8 asks = now_set->flags & NAT_ASK_REMOTES ? 0x80 : 0;
  return protocol | (__u8)(filter_of(now_set, protocol) << 5) | asks;
}

/* How often something has ended that flows of an external port relied on. */
static __always_inline __u64* ended_at(__be16 port)
{
  __u32 key = NAT_ENDED_SLOT(port);
  return bpf_map_lookup_elem(&ended, &key);
}

static __always_inline void note_end(__be16 port)
{
  __u64* ends = ended_at(port);
  if (ends) {
    __sync_fetch_and_add(ends, 1);
  }
}

/* Whether the packet is of a remembered flow; `to` then has its external endpoint. */
static __always_inline int recall(const struct nat_settings* now_set,
                                  const struct packet* p,
                                  __u8 zone,
                                  __u64 now,
                                  struct translation* to)
{
  if (!is_plain(now_set, p)) {
    return 0;
  }
  struct nat_recent* set = recent_set(now_set, p);
  if (!set) {
    return 0;
  }
  __u8 rules = recent_rules(now_set, p->protocol);
  __u16 generation = now_set->generation;
  __be32 address = 0;
  __be16 port = 0;
  __u32 ends = 0;
  __u32 noted = 0;
  int is_known = 0;
  bpf_spin_lock(&set->lock);
#pragma unroll
  for (int i = 0; i < NAT_RECENT_WAYS; i++) {
    if (set->internal[i] == p->source && set->internal_port[i] == p->source_port
        && set->remote[i] == p->destination && set->remote_port[i] == p->destination_port
        && set->rules[i] == rules && set->zone[i] == zone && set->generation[i] == generation) {
      address = set->external[i];
      port = set->external_port[i];
      ends = set->ended[i];
      noted = set->noted[i];
      is_known = 1;
    }
  }
  bpf_spin_unlock(&set->lock);
  if (!is_known || recent_tick(now) - noted >= RECENT_TICKS) {
    return 0;
  }
  const __u64* ends_now = ended_at(port);
  if (!ends_now || (__u32) * (const volatile __u64*)ends_now != ends) {
    return 0;
  }
  to->source = address;
  to->source_port = port;
  return 1;
}

/* `ends`: as it was before the flow's binding and session were looked up. */
static __always_inline void memorize(const struct nat_settings* now_set,
                                     const struct packet* p,
                                     __u8 zone,
                                     __u64 now,
                                     const struct translation* to,
                                     __u32 ends)
{
  struct nat_recent* set = recent_set(now_set, p);
  if (!set) {
    return;
  }
  __u8 rules = recent_rules(now_set, p->protocol);
  __u16 generation = now_set->generation;
  __u32 tick = recent_tick(now);
  bpf_spin_lock(&set->lock);
  /* Its own place, so that no flow is there twice; else the older one's. */
  int is_first = set->internal[0] == p->source && set->internal_port[0] == p->source_port
                 && set->remote[0] == p->destination && set->remote_port[0] == p->destination_port;
  int is_second = set->internal[1] == p->source && set->internal_port[1] == p->source_port
                  && set->remote[1] == p->destination && set->remote_port[1] == p->destination_port;
  int way = is_second || (!is_first && (__s32)(set->noted[1] - set->noted[0]) < 0);
#pragma unroll
  for (int i = 0; i < NAT_RECENT_WAYS; i++) {
    if (i == way) {
      set->internal[i] = p->source;
      set->internal_port[i] = p->source_port;
      set->remote[i] = p->destination;
      set->remote_port[i] = p->destination_port;
      set->external[i] = to->source;
      set->external_port[i] = to->source_port;
      set->rules[i] = rules;
      set->zone[i] = zone;
      set->generation[i] = generation;
      set->ended[i] = ends;
      set->noted[i] = tick;
    }
  }
  bpf_spin_unlock(&set->lock);
}
