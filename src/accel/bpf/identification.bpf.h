#pragma once

/* The identifications under which packets leave (RFC 6864). Behind one external address are many
 * guests, who know nothing of each other; what they send to one remote must not be put together
 * there. Packets that cannot be cut any more need none: they keep theirs, whatever it is. */

#include "translate.bpf.h"

static __always_inline int is_atomic(const struct packet* p)
{
  return p->dont_fragment && p->fragment == FRAGMENT_NONE;
}

/* It comes again after 65536 packets to the destinations of one hash. Where the counter begins
 * nobody can guess. */
static __always_inline __u32 next_identification(context* ctx, const struct packet* p)
{
  __u32 slot = scatter(p->destination + p->protocol) & (NAT_IDENTIFICATIONS - 1);
  __u32* counter = bpf_map_lookup_elem(&identifications, &slot);
  if (!counter) {
    return p->identification;
  }
  if (!*counter) {
    __sync_val_compare_and_swap(counter, 0, bpf_get_prandom_u32() | 1);
  }
  return bpf_htons(__sync_fetch_and_add(counter, segments(ctx)));
}

/* All fragments of one datagram get the same: whichever of them is here first notes it. A function
 * of its own, since the stack of its callers is nearly full. */
static __noinline int renumber(context* ctx, const struct packet* p, __u32 zone)
{
  if (!p) {
    return -1;
  }
  __u32 number = next_identification(ctx, p) | NAT_RENUMBERED;
  if (p->fragment != FRAGMENT_NONE) {
    struct nat_fragment_key key = fragment_key(p, 0, zone);
    struct nat_fragment* first = bpf_map_lookup_elem(&fragments, &key);
    if (!first) {
      return -1;
    }
    __u32 noted = __sync_val_compare_and_swap(&first->identification, 0, number);
    number = noted ? noted : number;
  }
  struct iphdr* ip = at(ctx, p->l3, sizeof(*ip));
  if (!ip) {
    return -1;
  }
  __be16 identification = number;
  ip->check = adjusted(ip->check, difference16(ip->id, identification));
  ip->id = identification;
  return 0;
}

static __always_inline void identify(context* ctx,
                                     const struct nat_settings* now_set,
                                     const struct origin* origin,
                                     const struct packet* p)
{
  if (!is_atomic(p) && now_set->flags & NAT_RENUMBER) {
    renumber(ctx, p, origin->zone);
  }
}
