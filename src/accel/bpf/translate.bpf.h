#pragma once

/* What both directions of NAT44 share: where packets go that are not translated. Nothing is written
 * before all that can refuse it has been asked, so that whoever gets a refused packet gets it
 * untouched.
 */

#include "allocate.bpf.h"
#include "answer.bpf.h"
#include "fragment.bpf.h"
#include "icmp_error.bpf.h"
#include "recent.bpf.h"
#include "session.bpf.h"

#define CODE_HOST_UNREACHABLE 1 /* RFC 6888 REQ-11B: no port, no memory, quota; soft to TCP */
#define CODE_FRAGMENTATION 4    /* RFC 1191 */

static __always_inline int hand_over(context* ctx, struct origin* origin, const struct packet* p)
{
  origin->fate = FATE_ASIDE;
  count(NAT_TO_SLIRPSTACK, p->length);
  return redirect_frame(ctx, origin->tap);
}

/* What the user-mode stack serves: it decides, or answers. A packet that it gave back must not come
 * to it again. */
static __always_inline int to_slirpstack(context* ctx,
                                         struct origin* origin,
                                         const struct packet* p,
                                         __u32 otherwise)
{
  look_up(origin);
  if (origin->again || !origin->tap) {
    return dropped(otherwise, p->length);
  }
  return hand_over(ctx, origin, p);
}

/* This host, loopback, multicast and above. */
static __always_inline int is_never_routed(__be32 address)
{
  __u8 first = bpf_ntohl(address) >> 24;
  return first == 0 || first == 127 || first >= 224;
}

/* Whether the host, which is left to forward the packet, might send it to the world under its
 * internal source. */
static __noinline int may_leak(__be32 source, __be32 destination)
{
  const struct nat_settings* now_set = current_settings();
  if (!now_set || !(now_set->flags & NAT_EXEMPTIONS) || !is_internal(now_set, source)
      || is_internal(now_set, destination) || is_never_routed(destination)) {
    return 0;
  }
  struct nat_route_key key = {.prefix_length = 32, .address = destination};
  const __u32* exemption = bpf_map_lookup_elem(&exempt, &key);
  return exemption && *exemption == NAT_EXEMPT_UNKNOWN;
}

/* Not ours to translate. */
static __always_inline int aside(context* ctx, struct origin* origin, const struct packet* p)
{
  look_up(origin);
  if (origin->again || !origin->tap) {
    return may_leak(p->source, p->destination) ? dropped(NAT_DROP_NO_ROUTE, p->length)
                                               : to_host(p->length);
  }
  return hand_over(ctx, origin, p);
}

/* Where there is a user-mode stack it knows best what to answer. */
static __always_inline int refuse(context* ctx,
                                  struct origin* origin,
                                  const struct packet* p,
                                  const struct answer* answer,
                                  __u32 statistic)
{
  look_up(origin);
  if (!origin->again && origin->tap) {
    return hand_over(ctx, origin, p);
  }
  count(statistic, p->length);
  return send_answer(ctx, p, answer, origin->guest);
}

/* Where the kernel binds, the user-mode stack is not asked: it would serve the flow, and the limit
 * be none. */
static __always_inline int refuse_binding(context* ctx,
                                          const struct nat_settings* now_set,
                                          struct origin* origin,
                                          const struct packet* p,
                                          __u32 failure)
{
  struct answer answer = {.type = ICMP_DEST_UNREACH,
                          .code = CODE_HOST_UNREACHABLE,
                          .source = bpf_htonl(now_set->gateway)};
  if (!(now_set->flags & NAT_ALLOCATE)) {
    return refuse(ctx, origin, p, &answer, failure);
  }
  count(failure, p->length);
  return send_answer(ctx, p, &answer, origin->guest);
}

#define ASKING_PERIOD_NS 1000000000ULL

static __always_inline int has_place(const struct nat_owner* owner)
{
  const __u16* mac = (const __u16*)owner->guest_mac;
  return (mac[0] | mac[1] | mac[2]) != 0;
}

/* A forward's subscriber may not have sent anything yet. The first packet for it has slirpstack
 * find it as the host's own stack would; the sender tries again. */
static __noinline int is_placed(struct nat_owner* owner, __u8 protocol, __u64 now)
{
  if (!owner || has_place(owner)) {
    return owner != 0;
  }
  if (now - owner->last_in >= ASKING_PERIOD_NS) {
    struct nat_endpoint internal
      = {.address = owner->address, .port = owner->port, .protocol = protocol, .zone = owner->zone};
    struct nat_endpoint none = {};
    owner->last_in = now;
    report(NAT_EVENT_UNPLACED, &internal, &none);
  }
  return 0;
}

static __always_inline int deliver(context* ctx,
                                   const struct nat_settings* now_set,
                                   const struct nat_owner* owner)
{
  __u32 ifindex = owner->ifindex;
  rewrite_macs(ctx, owner->guest_mac, now_set->gateway_mac);
  return redirect_to_guest(ctx, ifindex);
}

static __always_inline int is_usable(const struct nat_owner* owner)
{
  return owner && !(owner->flags & NAT_QUARANTINED);
}

static __always_inline struct nat_owner* owner_of(__be32 address, __be16 port, __u8 protocol)
{
  struct nat_endpoint external = {.address = address, .port = port, .protocol = protocol};
  struct nat_owner* owner = bpf_map_lookup_elem(&owners, &external);
  return is_usable(owner) ? owner : 0;
}
