#pragma once

/* NAT44 of packets from outside. What belongs to no guest is the host's. */

#include "translate.bpf.h"

static __always_inline void note_inbound(const struct nat_settings* now_set,
                                         struct nat_owner* owner,
                                         __u64 now)
{
  if (now_set->flags & NAT_INBOUND_REFRESH) {
    refresh(&owner->last_in, now);
  }
}

/* RFC 5508 REQ-4. An error neither refreshes nor ends a mapping (REQ-6). */
static __noinline int error_inbound(context* ctx, struct packet* p)
{
  const struct nat_settings* now_set = current_settings();
  struct quotation quoted = {};
  if (!p || !now_set) {
    return VERDICT_DROP;
  }
  int wrong = parse_quotation(ctx, p, &quoted);
  if (wrong == NAT_DROP_CHECKSUM) {
    return dropped(wrong, p->length);
  }
  const struct nat_owner* owner
    = wrong ? 0 : owner_of(quoted.ends.source, quoted.ends.source_port, quoted.protocol);
  if (!owner) {
    return to_host(p->length);
  }
  if (!has_place(owner)) {
    return dropped(NAT_DROP_NO_ROUTE, p->length);
  }
  struct translation inner = quoted.ends;
  inner.source = owner->address;
  inner.source_port = owner->port;
  struct translation outer = ends_of(p);
  outer.destination = owner->address;
  if (rewrite_quotation(ctx, p, &quoted, &inner)) {
    return dropped(NAT_DROP_MALFORMED, p->length);
  }
  rewrite(ctx, p, &outer);
  count(NAT_ICMP_ERROR_IN, p->length);
  return deliver(ctx, now_set, owner);
}

/* A ping of the external address is for the host; only answers to a guest's ping are a guest's. */
static __always_inline int is_query(const struct packet* p)
{
  return p->protocol == IPPROTO_ICMP
         && (p->icmp_type == ICMP_ECHO || p->icmp_type == ICMP_TIMESTAMP);
}

static __always_inline int too_old(context* ctx, const struct packet* p)
{
  struct answer answer = {.type = ICMP_TIME_EXCEEDED, .source = p->destination};
  count(NAT_DROP_HOP_LIMIT, p->length);
  return send_answer(ctx, p, &answer, arrival(ctx));
}

static __always_inline int early_fragment(context* ctx,
                                          const struct origin* origin,
                                          const struct packet* p,
                                          __u8 inbound,
                                          __u32 zone)
{
  if (!origin->again && !origin->is_held && !hold(ctx, p, inbound, zone)) {
    return VERDICT_DROP;
  }
  return dropped(NAT_DROP_FRAGMENT, p->length);
}

/* Where the pool is the host's own the fragment may be the host's too, which gets it at once: a
 * copy is held. */
static __always_inline int early_inbound(context* ctx,
                                         const struct nat_settings* now_set,
                                         const struct origin* origin,
                                         const struct packet* p)
{
  if (origin->again || !(now_set->flags & NAT_POOL_IS_LOCAL)) {
    return early_fragment(ctx, origin, p, 1, 0);
  }
  if (origin->is_held) {
    return VERDICT_DROP;
  }
  hold(ctx, p, 1, 0);
  return to_host(p->length);
}

/* All of the datagram is the host's then, whatever is bound meanwhile. */
static __always_inline int leave_to_host(struct origin* origin, const struct packet* p)
{
  origin->fate = FATE_ASIDE;
  return to_host(p->length);
}

static __always_inline int parsed_inbound(context* ctx,
                                          struct nat_settings* now_set,
                                          struct origin* origin,
                                          struct packet* p,
                                          __u64 now)
{
  if (is_query(p)) {
    return leave_to_host(origin, p);
  }
  if (p->is_icmp_error) {
    return p->hop_limit <= 1 ? dropped(NAT_DROP_HOP_LIMIT, p->length) : error_inbound(ctx, p);
  }
  struct nat_owner* owner = owner_of(p->destination, p->destination_port, p->protocol);
  if (!owner) {
    return leave_to_host(origin, p);
  }
  if (is_source_routed(ctx, p)) {
    return dropped(NAT_DROP_SOURCE_ROUTE, p->length);
  }
  if (p->hop_limit <= 1) {
    return too_old(ctx, p);
  }
  if (!is_placed(owner, p->protocol, now)) {
    return dropped(NAT_DROP_NO_ROUTE, p->length);
  }
  __u32 refused = session_in(now_set, p, owner, p->source, p->source_port, now);
  if (refused) {
    return dropped(refused, p->length);
  }
  if (p->tcp_flags & TCP_RST) {
    note_end(p->destination_port); /* the guest's next segment takes it back */
  }
  note_inbound(now_set, owner, now);
  struct translation to = ends_of(p);
  to.destination = owner->address;
  to.destination_port = owner->port;
  rewrite(ctx, p, &to);
  count(NAT_IN, p->length);
  origin->fate = FATE_TRANSLATED;
  return deliver(ctx, now_set, owner);
}

static __always_inline int inbound(context* ctx, struct origin* origin)
{
  struct nat_settings* now_set = current_settings();
  struct packet p = {};
  int parsed = parse_network(ctx, &p);
  if (!now_set || parsed == PARSE_OTHER) {
    return to_host(p.length);
  }
  if (parsed != PARSED) {
    return dropped(NAT_DROP_MALFORMED, p.length);
  }
  if (!is_external(now_set, p.destination)) {
    return to_host(p.length);
  }
  __u64 now = bpf_ktime_get_coarse_ns();
  parsed = parse_transport(ctx, &p, 1, 0, now);
  if (parsed == PARSE_FRAGMENT) {
    return early_inbound(ctx, now_set, origin, &p);
  }
  if (parsed == PARSE_MALFORMED) {
    return dropped(NAT_DROP_MALFORMED, p.length);
  }
  if (parsed != PARSED) {
    return to_host(p.length);
  }
  int verdict = parsed_inbound(ctx, now_set, origin, &p, now);
  note_first(&p, 1, 0, origin);
  return verdict;
}
