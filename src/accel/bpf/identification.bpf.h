#pragma once

/* The identifications under which packets leave (RFC 6864). Behind one external address are many
 * guests, who know nothing of each other; what they send to one remote must not be put together
 * there. Packets that cannot be cut any more need none: they keep theirs, whatever it is. */

#include "translate.bpf.h"

static __always_inline int is_atomic(const struct packet* p)
{
  return p->dont_fragment && p->fragment == FRAGMENT_NONE;
}

/* At random, and not counted: a guest that could tell the next one might complete the datagrams of
 * others at their remote (RFC 7739 section 3). */
static __always_inline __u32 next_identification(void)
{
  return bpf_get_prandom_u32() & 0xffff;
}

/* Later fragments get that of their first. Returns 0: they keep their own. */
static __always_inline __u32 noted_identification(const struct packet* p, __u32 zone)
{
  struct nat_fragment_key key = fragment_key(p, 0, zone);
  const struct nat_fragment* first = bpf_map_lookup_elem(&fragments, &key);
  return first && first->flags & NAT_FRAGMENT_RENUMBERED ? first->identification | RENUMBERED : 0;
}

/* A function of its own, since the stack of its callers is nearly full. */
static __noinline int renumber(context* ctx, struct origin* origin, const struct packet* p)
{
  if (!p || !origin) {
    return -1;
  }
  __u32 number = p->fragment == FRAGMENT_LATER ? noted_identification(p, origin->zone)
                                               : next_identification() | RENUMBERED;
  struct iphdr* ip = at(ctx, p->l3, sizeof(*ip));
  if (!ip || !number) {
    return -1;
  }
  origin->renumbered = number;
  ip->check = adjusted(ip->check, difference16(ip->id, number));
  ip->id = number;
  return 0;
}

static __always_inline void identify(context* ctx,
                                     const struct nat_settings* now_set,
                                     struct origin* origin,
                                     const struct packet* p)
{
  if (!is_atomic(p) && now_set->flags & NAT_RENUMBER) {
    renumber(ctx, origin, p);
  }
}
