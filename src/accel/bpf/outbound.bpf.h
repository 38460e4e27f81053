#pragma once

/* NAT44 of packets of a guest, to the world or, by way of an external address, to another guest
 * (hairpinning, RFC 4787 REQ-9). */

#include "identification.bpf.h"
#include "inbound.bpf.h"
#include "permit.bpf.h"

static __always_inline int is_translatable(const struct nat_settings* now_set,
                                           const struct packet* p)
{
  if (!is_internal(now_set, p->source) || is_internal(now_set, p->destination)
      || is_never_routed(p->destination)) {
    return 0;
  }
  /* An external address may be one of the host's own: then it is exempt but for its bindings. */
  if (now_set->flags & NAT_EXEMPTIONS && !is_external(now_set, p->destination)) {
    struct nat_route_key key = {.prefix_length = 32, .address = p->destination};
    return bpf_map_lookup_elem(&exempt, &key) == 0;
  }
  return 1;
}

static __always_inline const struct nat_route* route_to(__be32 destination)
{
  struct nat_route_key key = {.prefix_length = 32, .address = destination};
  return bpf_map_lookup_elem(&routes, &key);
}

/* A flow that the kernel has bound cannot go on in the user-mode stack, which does not know it. A
 * function of its own, since the stack of its callers is nearly full. */
static __noinline int no_route(context* ctx,
                               const struct nat_settings* now_set,
                               struct origin* origin,
                               const struct packet* p)
{
  if (!now_set || !origin || !p) {
    return VERDICT_DROP;
  }
  struct nat_endpoint internal = {.address = p->source, .zone = origin->zone};
  struct nat_endpoint external = {.address = p->destination};
  report(NAT_EVENT_UNRESOLVED, &internal, &external);
  return now_set->flags & NAT_ALLOCATE ? dropped(NAT_DROP_NO_ROUTE, p->length)
                                       : to_slirpstack(ctx, origin, p, NAT_DROP_NO_ROUTE);
}

static __always_inline int too_big(context* ctx,
                                   const struct nat_settings* now_set,
                                   struct origin* origin,
                                   const struct packet* p,
                                   __u32 mtu)
{
  struct answer answer = {.type = ICMP_DEST_UNREACH,
                          .code = CODE_FRAGMENTATION,
                          .mtu = bpf_htons(mtu),
                          .source = bpf_htonl(now_set->gateway)};
  if (!p->dont_fragment && !(now_set->flags & NAT_ALLOCATE)) {
    return to_slirpstack(ctx, origin, p, NAT_DROP_TOO_BIG);
  }
  /* Not even a user-mode stack, which sends such a packet back here, knows better. */
  count(NAT_DROP_TOO_BIG, p->length);
  return p->dont_fragment ? send_answer(ctx, p, &answer, origin->guest) : VERDICT_DROP;
}

/* Sends what `to` describes to the world, or says why not. */
static __always_inline int emit(context* ctx,
                                const struct nat_settings* now_set,
                                struct origin* origin,
                                struct packet* p,
                                const struct translation* to)
{
  const struct nat_route* route = route_to(p->destination);
  if (!route || route->flags & NAT_ROUTE_UNRESOLVED) {
    return no_route(ctx, now_set, origin, p);
  }
  if (length_on_wire(ctx, p->length, p->l4 - p->l3 + p->header_bytes) > route->mtu) {
    return too_big(ctx, now_set, origin, p, route->mtu);
  }
  __u32 ifindex = route->ifindex;
  rewrite_macs(ctx, route->destination_mac, route->source_mac);
  identify(ctx, now_set, origin, p);
  rewrite(ctx, p, to);
  count(NAT_OUT, p->length);
  origin->fate = FATE_TRANSLATED;
  return redirect_frame(ctx, ifindex);
}

/* An external endpoint that is nobody's is a service of the host, where the address is its own.
 * Otherwise the host might forward the packet, and the world see the internal source. */
static __always_inline int hairpin(context* ctx,
                                   struct nat_settings* now_set,
                                   struct origin* origin,
                                   struct packet* p,
                                   struct translation* to,
                                   __u64 now)
{
  struct nat_owner* owner
    = p->protocol == IPPROTO_ICMP ? 0 : owner_of(p->destination, p->destination_port, p->protocol);
  if (!owner) {
    look_up(origin);
    return !origin->tap && now_set->flags & NAT_POOL_IS_LOCAL
             ? to_host(p->length)
             : to_slirpstack(ctx, origin, p, NAT_DROP_NO_BINDING);
  }
  if (!is_placed(owner, p->protocol, now)) {
    return dropped(NAT_DROP_NO_ROUTE, p->length);
  }
  __u32 refused = session_in(now_set, p, owner, to->source, to->source_port, now);
  if (refused) {
    return dropped(refused, p->length);
  }
  note_inbound(now_set, owner, now);
  to->destination = owner->address;
  to->destination_port = owner->port;
  identify(ctx, now_set, origin, p);
  rewrite(ctx, p, to);
  count(NAT_HAIRPIN, p->length);
  origin->fate = FATE_TRANSLATED;
  return deliver(ctx, now_set, owner);
}

/* Whether the guest may send an error about a packet to its endpoint: to whom that was from, and
 * nobody else, and only where it may send all else. */
static __always_inline int may_complain(const struct nat_settings* now_set,
                                        const struct packet* p,
                                        const struct nat_binding* binding,
                                        const struct quotation* q)
{
  if (!is_in_force(now_set, binding) || p->destination != q->ends.source) {
    return 0;
  }
  if (!(now_set->flags & NAT_ASK_REMOTES)) {
    return 1;
  }
  struct nat_session_key key = session_key(binding->address,
                                           binding->port,
                                           q->ends.source,
                                           q->protocol == IPPROTO_ICMP ? 0 : q->ends.source_port,
                                           q->protocol);
  const struct nat_session* known = bpf_map_lookup_elem(&sessions, &key);
  return known && may_answer_to(now_set, binding, known);
}

/* RFC 5508 REQ-5 and REQ-7: the quotation's destination is the guest's endpoint; if another guest
 * has sent the quoted packet, its source is that guest's external endpoint. */
static __noinline int error_outbound(context* ctx, struct origin* origin, struct packet* p)
{
  struct nat_settings* now_set = current_settings();
  struct quotation quoted = {};
  if (!now_set || !origin || !p) {
    return VERDICT_DROP;
  }
  int wrong = parse_quotation(ctx, p, &quoted);
  if (wrong) {
    return to_slirpstack(ctx, origin, p, wrong);
  }
  struct nat_endpoint internal = {.address = quoted.ends.destination,
                                  .port = quoted.ends.destination_port,
                                  .protocol = quoted.protocol,
                                  .zone = origin->zone};
  const struct nat_binding* binding = bpf_map_lookup_elem(&bindings, &internal);
  if (!binding || !may_complain(now_set, p, binding, &quoted)) {
    return to_slirpstack(ctx, origin, p, binding ? NAT_DROP_NO_SESSION : NAT_DROP_NO_BINDING);
  }
  struct translation inner = quoted.ends;
  inner.destination = binding->address;
  inner.destination_port = binding->port;
  struct translation outer = ends_of(p);
  outer.source = binding->address;
  if (!is_external(now_set, p->destination)) {
    return rewrite_quotation(ctx, p, &quoted, &inner) ? dropped(NAT_DROP_MALFORMED, p->length)
                                                      : emit(ctx, now_set, origin, p, &outer);
  }
  const struct nat_owner* owner
    = owner_of(quoted.ends.source, quoted.ends.source_port, quoted.protocol);
  if (!owner) {
    return to_slirpstack(ctx, origin, p, NAT_DROP_NO_BINDING);
  }
  inner.source = owner->address;
  inner.source_port = owner->port;
  outer.destination = owner->address;
  if (rewrite_quotation(ctx, p, &quoted, &inner)) {
    return dropped(NAT_DROP_MALFORMED, p->length);
  }
  identify(ctx, now_set, origin, p);
  rewrite(ctx, p, &outer);
  count(NAT_ICMP_ERROR_OUT, p->length);
  return deliver(ctx, now_set, owner);
}

static __always_inline int without_binding(context* ctx,
                                           const struct nat_settings* now_set,
                                           struct origin* origin,
                                           const struct packet* p,
                                           __u32 failure)
{
  if (failure == NAT_DROP_EXHAUSTED || failure == NAT_DROP_QUOTA) {
    return refuse_binding(ctx, now_set, origin, p, failure);
  }
  return to_slirpstack(ctx, origin, p, failure);
}

static __always_inline int translate_out(context* ctx,
                                         struct nat_settings* now_set,
                                         struct origin* origin,
                                         struct packet* p,
                                         __u64 now)
{
  struct translation to = ends_of(p);
  if (!is_plain(now_set, p) || !recall(ctx, now_set, origin, p, &to)) {
    __u32 failure = permit(ctx, now_set, origin, p, now, &to);
    if (failure) {
      return without_binding(ctx, now_set, origin, p, failure);
    }
  }
  return is_external(now_set, p->destination) ? hairpin(ctx, now_set, origin, p, &to, now)
                                              : emit(ctx, now_set, origin, p, &to);
}

static __always_inline int parsed_outbound(context* ctx,
                                           struct nat_settings* now_set,
                                           struct origin* origin,
                                           struct packet* p,
                                           __u64 now)
{
  if (p->hop_limit <= 1) {
    struct answer answer = {.type = ICMP_TIME_EXCEEDED, .source = bpf_htonl(now_set->gateway)};
    return refuse(ctx, origin, p, &answer, NAT_DROP_HOP_LIMIT);
  }
  return p->is_icmp_error ? error_outbound(ctx, origin, p)
                          : translate_out(ctx, now_set, origin, p, now);
}

static __always_inline int outbound(context* ctx, struct origin* origin)
{
  struct nat_settings* now_set = current_settings();
  struct packet p = {};
  int parsed = parse_network(ctx, &p);
  if (parsed == PARSE_MALFORMED || !now_set) {
    return dropped(NAT_DROP_MALFORMED, p.length);
  }
  /* The answer to an address of the NAT's would be another guest's, or the host's. */
  if (parsed == PARSED && is_external(now_set, p.source)) {
    return dropped(NAT_DROP_FILTERED, p.length);
  }
  if (parsed != PARSED || !is_translatable(now_set, &p)) {
    return aside(ctx, origin, &p);
  }
  if (now_set->flags & NAT_ZONES) {
    look_up(origin);
  }
  if (is_source_routed(ctx, &p)) {
    return to_slirpstack(ctx, origin, &p, NAT_DROP_SOURCE_ROUTE);
  }
  __u64 now = bpf_ktime_get_coarse_ns();
  parsed = parse_transport(ctx, &p, 0, origin->zone, now);
  if (parsed == PARSE_MALFORMED) {
    return dropped(NAT_DROP_MALFORMED, p.length);
  }
  if (parsed == PARSE_FRAGMENT) {
    return early_fragment(ctx, origin, &p, 0, origin->zone);
  }
  if (parsed != PARSED) { /* of what goes to slirpstack it needs all, or it cannot cut it anew */
    return to_slirpstack(
      ctx, origin, &p, parsed == PARSE_ASIDE ? NAT_DROP_FRAGMENT : NAT_DROP_PROTOCOL);
  }
  int verdict = parsed_outbound(ctx, now_set, origin, &p, now);
  note_first(&p, 0, origin->zone, origin);
  return verdict;
}
