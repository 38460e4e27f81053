#pragma once

/* Whether a packet of a guest's may be translated, and as what. */

#include "translate.bpf.h"

/* A newer generation than the current one will be current in a moment. */
static __always_inline int is_in_force(const struct nat_settings* now_set,
                                       const struct nat_binding* binding)
{
  return (__s32)(binding->generation - now_set->generation) >= 0 || binding->flags & NAT_STATIC;
}

/* The binding of the packet's source. Null: `failure` says why. */
static __always_inline struct nat_binding* binding_of(context* ctx,
                                                      const struct nat_settings* now_set,
                                                      struct origin* origin,
                                                      const struct packet* p,
                                                      __u64 now,
                                                      __u32* failure)
{
  struct nat_endpoint internal
    = {.address = p->source, .port = p->source_port, .protocol = p->protocol, .zone = origin->zone};
  struct nat_binding* binding = bpf_map_lookup_elem(&bindings, &internal);
  if (binding) {
    *failure = NAT_DROP_NO_BINDING;
    return is_in_force(now_set, binding) ? binding : 0;
  }
  *failure = NAT_DROP_NO_BINDING;
  if (!(now_set->flags & NAT_ALLOCATE) || p->fragment == FRAGMENT_LATER) {
    return 0;
  }
  if (p->protocol == IPPROTO_TCP && !opens(p->tcp_flags)) {
    *failure = NAT_DROP_NO_SESSION;
    return 0;
  }
  const struct ethhdr* ethernet = at(ctx, 0, sizeof(*ethernet));
  if (!ethernet) {
    return 0;
  }
  struct nat_owner owner = {.address = p->source,
                            .port = p->source_port,
                            .last_in = now,
                            .ifindex = origin->guest,
                            .zone = origin->zone};
  copy_mac(owner.guest_mac, ethernet->h_source);
  *failure = allocate(now_set, &internal, &owner, now);
  return *failure ? 0 : bpf_map_lookup_elem(&bindings, &internal);
}

/* What comes in goes to where the guest last sent from: the router before it may be another one by
 * now. The owner is not looked up before the digest differs, and for one binding at most once in
 * the time that the clock stands still: two routers may take turns. */
static __noinline int follow_guest(context* ctx,
                                   const struct origin* origin,
                                   struct nat_binding* binding,
                                   __u8 protocol)
{
  struct sender sender;
  if (!origin || !binding || read_sender(ctx, &sender) || binding->sender == digest_of(&sender)) {
    return 0;
  }
  binding->sender = digest_of(&sender);
  struct nat_owner* owner = owner_of(binding->address, binding->port, protocol);
  if (owner) {
    move_guest(owner->guest_mac, &sender);
    owner->ifindex = origin->guest;
  }
  return 0;
}

/* Whether what comes in goes to where this packet has come from. */
static __noinline int is_followed(context* ctx, const struct nat_binding* binding)
{
  struct sender sender;
  return binding && !read_sender(ctx, &sender) && binding->sender == digest_of(&sender);
}

/* Asks the maps whether the packet may pass, and as what. Returns 0, or the statistic that says why
 * it may not. */
static __always_inline __u32 permit(context* ctx,
                                    const struct nat_settings* now_set,
                                    struct origin* origin,
                                    const struct packet* p,
                                    __u64 now,
                                    struct translation* to)
{
  __u32 failure = NAT_DROP_NO_BINDING;
  struct nat_binding* binding = binding_of(ctx, now_set, origin, p, now, &failure);
  if (!binding) {
    return failure;
  }
  to->source = binding->address;
  to->source_port = binding->port;
  int plain = is_plain(now_set, p);
  const __u64* ends = plain ? ended_at(to->source_port) : 0;
  __u32 ends_before = ends ? (__u32) * (const volatile __u64*)ends : 0;
  order_loads();
  int is_over = 0;
  /* Where slirpstack is to be asked, a later fragment goes where the first has gone. */
  if (p->fragment != FRAGMENT_LATER || now_set->flags & NAT_ASK_REMOTES) {
    failure = session_out(now_set, p, binding, now, &is_over);
    if (failure) {
      return failure;
    }
  }
  if (p->tcp_flags & TCP_RST) {
    note_end(to->source_port); /* the next segment takes it back: it must not be missed */
    return 0; /* RFC 7857 section 7.1: it may answer a stranger, who keeps no binding alive */
  }
  if (is_over) {
    return 0;
  }
  if (binding->last_out != now) {
    binding->last_out = now;
    follow_guest(ctx, origin, binding, p->protocol);
  }
  if (plain) {
    struct nat_endpoint internal = {
      .address = p->source, .port = p->source_port, .protocol = p->protocol, .zone = origin->zone};
    binding = bpf_map_lookup_elem(&bindings, &internal); /* since `ends_before` it may have ended */
    if (binding && binding->address == to->source && binding->port == to->source_port
        && is_followed(ctx, binding)) {
      return memorize(ctx, origin, p, to, ends_before);
    }
  }
  return 0;
}
