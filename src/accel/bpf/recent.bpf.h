#pragma once

/* Flows that have just been let out, with all that the next packet needs in one cache line. With
 * many flows a packet's time is its waits for memory, and a hash map takes three: its bucket, and
 * an element that lies in two lines. That for the binding, and for a session again.
 *
 * What is remembered is void after nat_settings.recent_ticks, and at once when a binding or session of
 * that external port ends, policy or filters change, or the guest is behind another router: so nothing
 * passes that the maps would not let pass, and nobody is found where he was. (A time has 16 bits: what
 * nobody has used for 19 hours seems new once more, and is right for as long as nothing has ended.) */

#include "allocate.bpf.h"
#include "origin.bpf.h"
#include "rewrite.bpf.h"
#include "session.bpf.h"

_Static_assert(sizeof(struct nat_recent) == 64, "an entry is a cache line");

/* An atomic operation orders what is around it only if its result is wanted: else clang makes one
 * without BPF_FETCH, which is relaxed (Linux's atomic_t.txt). */
static __always_inline void keep(__u64 result)
{
  asm volatile("" ::"r"(result));
}

static __always_inline __u16 recent_tick(__u64 now)
{
  return now >> NAT_RECENT_TICK_BITS;
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
  return now_set->recent_sets && p->fragment == FRAGMENT_NONE
         && !(p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST))
         && !is_external(now_set, p->destination);
}

/* What tells a remembered flow from others, as nat_recent has it. */
struct recent_flow
{
  __u64 addresses;
  __u64 ports;
  __u16 rules;
};

#define RECENT_ASKS 0xe0 /* of nat_recent.rules: what the flow's packets are asked for */

/* The protocol, the rules that its packets are under, and the zone. */
static __always_inline __u16 recent_rules(const struct nat_settings* now_set,
                                          __u8 protocol,
                                          __u32 zone)
{
  __u32 asks = now_set->flags & NAT_ASK_REMOTES ? 0x80 : 0;
  return protocol | filter_of(now_set, protocol) << 5 | asks | zone << 8;
}

/* Where what comes in will go: a flow that takes another way has to be looked up, which notes it.
 */
static __always_inline __u16 recent_sender(context* ctx, const struct origin* origin)
{
  struct sender sender = {};
  read_sender(ctx, &sender);
  return scatter(digest_of(&sender) + origin->guest);
}

static __always_inline struct recent_flow recent_flow(context* ctx,
                                                      const struct nat_settings* now_set,
                                                      const struct origin* origin,
                                                      const struct packet* p)
{
  __u64 is_one = has_session(now_set, p->protocol);
  __u64 sender = recent_sender(ctx, origin);
  struct recent_flow flow = {
    .addresses = p->source | is_one * p->destination << 32,
    .ports = p->source_port | is_one * p->destination_port << 16
             | (__u64)(__u16)now_set->generation << 32 | sender << 48,
    .rules = recent_rules(now_set, p->protocol, origin->zone),
  };
  return flow;
}

static __always_inline struct nat_recent* recent_set(const struct nat_settings* now_set,
                                                     const struct recent_flow* flow)
{
  __u32 internal = flow->addresses;
  __u32 remote = flow->addresses >> 32;
  __u32 hash = scatter(internal ^ scatter((__u32)flow->ports + scatter(remote)));
  hash &= now_set->recent_sets - 1;
  return bpf_map_lookup_elem(&recent, &hash);
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
    keep(__sync_fetch_and_add(ends, 1));
  }
}

static __always_inline __u32 sequence_of(const struct nat_recent* set)
{
  return *(const volatile __u32*)&set->sequence;
}

/* What is read before this is not read after it. A lock would do too, but it waits for the cache
 * line, writes it, and lets nothing else go on meanwhile. */
static __always_inline void order_loads(void)
{
#ifdef NAT_LOADS_IN_ORDER
  asm volatile("" ::: "memory");
#else
  __u64 anything = 0;
  keep(__sync_fetch_and_add(&anything, 1));
#endif
}

/* 0 if the entry is the flow's. */
static __always_inline __u64 difference(const struct nat_recent* set,
                                        int way,
                                        const struct recent_flow* flow)
{
  return (set->addresses[way] ^ flow->addresses) | (set->ports[way] ^ flow->ports)
         | (__u64)(set->rules[way] ^ flow->rules);
}

/* Whether the entry is the flow's, be it of another generation, by another router or under other
 * rules. */
static __always_inline int is_place_of(const struct nat_recent* set,
                                       int way,
                                       const struct recent_flow* flow)
{
  return set->addresses[way] == flow->addresses && (__u32)set->ports[way] == (__u32)flow->ports
         && !((set->rules[way] ^ flow->rules) & ~RECENT_ASKS);
}

/* Whether a number is not 0, as 1 or 0 without a branch, behind the back of a compiler that would
 * make one of it. */
static __always_inline __u64 is_not_zero(__u64 number)
{
  __u64 negative = -number;
  asm volatile("" : "+r"(negative));
  return (number | negative) >> 63;
}

/* Whether the packet is of a remembered flow; `to` then has its external endpoint. A function of
 * its own, like the next one, since the stack of their callers is nearly full. */
static __noinline int recall(context* ctx,
                             const struct nat_settings* now_set,
                             const struct origin* origin,
                             const struct packet* p,
                             struct translation* to)
{
  struct recent_flow flow = recent_flow(ctx, now_set, origin, p);
  struct nat_recent* set = recent_set(now_set, &flow);
  if (!set) {
    return 0;
  }
  /* In which of the two places the flow is nothing could foretell. A branch that is foretold wrong
   * half of the time would have the processor wait for the line, and then begin anew with all that
   * it has done meanwhile: so the place is computed. */
  __u32 before = sequence_of(set);
  order_loads();
  __u64 way = is_not_zero(difference(set, 0, &flow));
  __u64 is_other = way & is_not_zero(difference(set, 1, &flow));
  __be32 address = set->external[way];
  __be16 port = set->external_port[way];
  __u32 ends = set->ended[way];
  __u16 age = recent_tick(bpf_ktime_get_coarse_ns()) - set->noted[way];
  order_loads();
  if (is_other || before & 1 || sequence_of(set) != before || age >= now_set->recent_ticks) {
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

/* 0. Of a number that it knows clang makes no return value, and then the verifier sees none. */
static __always_inline __u32 nothing(void)
{
  __u32 zero = 0;
  asm volatile("" : "+r"(zero));
  return zero;
}

/* `ends`: as it was before the flow's binding and session were looked up. Returns 0. */
static __noinline __u32 memorize(context* ctx,
                                 const struct origin* origin,
                                 const struct packet* p,
                                 const struct translation* to,
                                 __u32 ends)
{
  const struct nat_settings* now_set = current_settings();
  if (!now_set) {
    return nothing();
  }
  struct recent_flow flow = recent_flow(ctx, now_set, origin, p);
  struct nat_recent* set = recent_set(now_set, &flow);
  if (!set) {
    return nothing();
  }
  __u16 tick = recent_tick(bpf_ktime_get_coarse_ns());
  __u32 before = sequence_of(set);
  if (before & 1 || __sync_val_compare_and_swap(&set->sequence, before, before + 1) != before) {
    return nothing(); /* another processor is at it */
  }
  /* Its own place, so that no flow is there twice; else the older one's, seen from now: a place that
   * has never been used would else be the younger one on half of all days. */
  __u64 way = (__u16)(tick - set->noted[1]) > (__u16)(tick - set->noted[0]);
  way = is_place_of(set, 1, &flow) ? 1 : way;
  way = is_place_of(set, 0, &flow) ? 0 : way;
  way &= 1;
  set->addresses[way] = flow.addresses;
  set->ports[way] = flow.ports;
  set->rules[way] = flow.rules;
  set->external[way] = to->source;
  set->external_port[way] = to->source_port;
  set->ended[way] = ends;
  set->noted[way] = tick;
  keep(__sync_fetch_and_add(&set->sequence, 1));
  return nothing();
}
