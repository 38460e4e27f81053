#pragma once

/* Who may send to an external endpoint (RFC 4787 section 5), and how far a TCP connection is. */

#include "packet.bpf.h"

static __always_inline __u32 filter_of(const struct nat_settings* now, __u8 protocol)
{
  return protocol == IPPROTO_TCP   ? now->filter_tcp
         : protocol == IPPROTO_UDP ? now->filter_udp
                                   : now->filter_icmp;
}

static __always_inline __u32 after_fin(__u32 state, int outbound)
{
  __u32 mine = outbound ? NAT_TCP_FIN_OUT : NAT_TCP_FIN_IN;
  __u32 other = outbound ? NAT_TCP_FIN_IN : NAT_TCP_FIN_OUT;
  return state == other || state == NAT_TCP_FIN_BOTH ? NAT_TCP_FIN_BOTH : mine;
}

static __always_inline int was_established(__u32 state)
{
  return state >= NAT_TCP_ESTABLISHED && state <= NAT_TCP_RESET;
}

static __always_inline __u32 after_rst(__u32 state)
{
  return was_established(state)     ? NAT_TCP_RESET
         : state == NAT_TCP_SYN_OUT ? NAT_TCP_REFUSED_OUT
         : state == NAT_TCP_SYN_IN  ? NAT_TCP_REFUSED_IN
                                    : state;
}

/* The other side's answer, or a simultaneous open (RFC 5382 REQ-2). */
static __always_inline int is_answer_to(__u32 state, int outbound)
{
  return outbound ? state == NAT_TCP_SYN_IN || state == NAT_TCP_REFUSED_IN
                  : state == NAT_TCP_SYN_OUT || state == NAT_TCP_REFUSED_OUT;
}

static __always_inline __u32 after_syn(__u32 state, int outbound)
{
  if (is_answer_to(state, outbound)) {
    return NAT_TCP_ESTABLISHED;
  }
  if (state == NAT_TCP_NONE || state == NAT_TCP_FIN_BOTH || state >= NAT_TCP_RESET) {
    return outbound ? NAT_TCP_SYN_OUT : NAT_TCP_SYN_IN;
  }
  return state;
}

/* RFC 6146 section 3.5.2.2: what is not answered with a SYN is never established. A reset only
 * shortens the timer: it may be forged, and a segment that follows takes it back. */
static __always_inline __u32 next_state(__u32 state, __u8 flags, int outbound)
{
  if (flags & TCP_RST) {
    return after_rst(state);
  }
  if (flags & TCP_FIN && was_established(state)) {
    return after_fin(state, outbound);
  }
  if (flags & TCP_SYN) {
    return after_syn(state, outbound);
  }
  return state == NAT_TCP_RESET ? NAT_TCP_ESTABLISHED : state;
}

/* Written only where it changes: the clock is coarse, and the line is shared by all processors. */
static __always_inline void refresh(__u64* last, __u64 now)
{
  if (*last != now) {
    *last = now;
  }
}

/* A remote has one more session; false if that were one too many. */
static __always_inline int admit_visitor(const struct nat_settings* now)
{
  __u32 key = NAT_VISITORS_COME;
  __u32* come = bpf_map_lookup_elem(&visitors, &key);
  key = NAT_VISITORS_GONE;
  const __u32* gone = bpf_map_lookup_elem(&visitors, &key);
  if (!come || !gone) {
    return 0;
  }
  __u32 here = __sync_fetch_and_add(come, 1) - *(const volatile __u32*)gone;
  if (now->max_visitors && (__s32)here >= 0 && here >= now->max_visitors) {
    __sync_fetch_and_add(come, -1);
    return 0;
  }
  return 1;
}

/* Returns 0, or the statistic that says why not. */
static __always_inline __u32 remember_visitor(const struct nat_settings* now_set,
                                              const struct nat_session_key* key,
                                              __u32 state,
                                              __u64 now)
{
  struct nat_session fresh = {.last = now, .state = state, .flags = NAT_VISITOR};
  if (!admit_visitor(now_set)) {
    return NAT_DROP_VISITORS;
  }
  if (!bpf_map_update_elem(&sessions, key, &fresh, BPF_ANY)) {
    return 0;
  }
  __u32 come_key = NAT_VISITORS_COME;
  __u32* come = bpf_map_lookup_elem(&visitors, &come_key);
  if (come) {
    __sync_fetch_and_add(come, -1);
  }
  return NAT_DROP_EXHAUSTED;
}

static __always_inline int remember(const struct nat_session_key* key, __u32 state, __u64 now)
{
  struct nat_session fresh = {.last = now, .state = state};
  return bpf_map_update_elem(&sessions, key, &fresh, BPF_ANY) == 0;
}

static __always_inline void advance(struct nat_session* session,
                                    __u8 flags,
                                    int outbound,
                                    __u64 now)
{
  __u32 state = next_state(session->state, flags, outbound);
  if (state != session->state) {
    session->state = state;
  }
  refresh(&session->last, now);
}

static __always_inline int opens(__u8 flags)
{
  return (flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

static __always_inline struct nat_session_key session_key(__be32 address,
                                                          __be16 port,
                                                          __be32 remote,
                                                          __be16 remote_port,
                                                          __u8 protocol)
{
  struct nat_session_key key = {
    .address = address,
    .remote_address = remote,
    .port = port,
    .remote_port = remote_port,
    .protocol = protocol,
  };
  return key;
}

/* Where slirpstack is to be asked: whether policy has let the guest send there. A remote that has
 * made the session itself may be answered if it came by a forward. */
static __always_inline int may_answer_to(const struct nat_settings* now_set,
                                         const struct nat_binding* binding,
                                         const struct nat_session* session)
{
  return !(now_set->flags & NAT_ASK_REMOTES) || session->flags & NAT_ALLOWED
         || binding->flags & NAT_STATIC;
}

/* Of a connection that both sides have ended, and whose place is another's now: whether the guest
 * only says so again. All else goes on with it. */
static __always_inline int is_farewell(const struct nat_session* session, const struct packet* p)
{
  if (has_payload(p) || p->tcp_flags & TCP_SYN) {
    return 0;
  }
  return p->tcp_flags & TCP_RST
         || (session->state == NAT_TCP_FIN_BOTH && !(session->flags & NAT_RESUMED));
}

/* The remote may have reason to go on: its last segments were lost on their way here, or a reset
 * was forged. The guest's answer is asked about. */
static __always_inline void note_resumption(struct nat_session* session, const struct packet* p)
{
  if (opens(p->tcp_flags)) {
    session->state = NAT_TCP_SYN_IN;
  } else if (has_payload(p) && !(session->flags & NAT_RESUMED)) {
    session->flags |= NAT_RESUMED;
  }
}

/* Everything a guest sends is let out, except TCP in the middle of a connection that is not known
 * and, where slirpstack is to be asked, what it has not allowed. Returns 0, or the statistic that
 * says why not. `is_over`: of a connection that has ended, so that nothing is kept alive by it. */
static __always_inline __u32 session_out(const struct nat_settings* now_set,
                                         const struct packet* p,
                                         const struct nat_binding* binding,
                                         __u64 now,
                                         int* is_over)
{
  __u32 filter = filter_of(now_set, p->protocol);
  __u32 asks = now_set->flags & NAT_ASK_REMOTES;
  struct nat_session_key key = session_key(
    binding->address, binding->port, p->destination, p->destination_port, p->protocol);
  if (p->protocol == IPPROTO_ICMP) {
    key.remote_port = 0;
  }
  if (p->protocol == IPPROTO_TCP || asks) {
    struct nat_session* known = bpf_map_lookup_elem(&sessions, &key);
    if (known) {
      if (!may_answer_to(now_set, binding, known)) {
        return NAT_DROP_NO_SESSION;
      }
      if (known->flags & NAT_RELEASED) {
        *is_over = 1;
        return is_farewell(known, p) ? 0 : NAT_DROP_NO_SESSION;
      }
      advance(known, p->tcp_flags, 1, now);
      if (p->protocol == IPPROTO_TCP || filter != NAT_FILTER_ADDRESS) {
        return 0;
      }
    } else if (asks || !opens(p->tcp_flags)) {
      return NAT_DROP_NO_SESSION;
    } else if (!remember(&key, NAT_TCP_SYN_OUT, now)) {
      return NAT_DROP_EXHAUSTED;
    } else if (filter != NAT_FILTER_ADDRESS) {
      return 0;
    }
  } else if (filter == NAT_FILTER_ENDPOINT) {
    return 0;
  }
  if (filter == NAT_FILTER_ADDRESS) {
    key.remote_port = 0;
  }
  struct nat_session* known = bpf_map_lookup_elem(&sessions, &key);
  if (known) {
    refresh(&known->last, now);
    return 0;
  }
  return remember(&key, NAT_TCP_NONE, now) ? 0 : NAT_DROP_EXHAUSTED;
}

static __always_inline int is_permitted(const struct nat_settings* now_set,
                                        struct nat_session_key key,
                                        __u32 filter,
                                        __u64 now)
{
  if (filter == NAT_FILTER_ENDPOINT) {
    return 1;
  }
  if (filter == NAT_FILTER_ADDRESS || key.protocol == IPPROTO_ICMP) {
    key.remote_port = 0;
  }
  struct nat_session* known = bpf_map_lookup_elem(&sessions, &key);
  if (known && now_set->flags & NAT_INBOUND_REFRESH && key.protocol != IPPROTO_TCP) {
    refresh(&known->last, now);
  }
  return known != 0;
}

/* Who has come in by a forward may be answered, whatever policy says of going there. */
static __always_inline __u32 make_answerable(const struct nat_settings* now_set,
                                             const struct nat_session_key* key,
                                             __u64 now)
{
  struct nat_session* known = bpf_map_lookup_elem(&sessions, key);
  if (known) {
    refresh(&known->last, now);
    return 0;
  }
  return remember_visitor(now_set, key, NAT_TCP_NONE, now);
}

/* The same for a packet to an external endpoint, from `remote` as it is seen outside. An
 * unsolicited SYN that is refused gets no answer (RFC 5382 REQ-4). */
static __always_inline __u32 session_in(const struct nat_settings* now_set,
                                        const struct packet* p,
                                        const struct nat_owner* owner,
                                        __be32 remote,
                                        __be16 remote_port,
                                        __u64 now)
{
  __u32 filter = owner->flags & NAT_STATIC ? NAT_FILTER_ENDPOINT : filter_of(now_set, p->protocol);
  struct nat_session_key key
    = session_key(p->destination, p->destination_port, remote, remote_port, p->protocol);
  if (p->protocol != IPPROTO_TCP) {
    if (now_set->flags & NAT_ASK_REMOTES && owner->flags & NAT_STATIC) {
      return make_answerable(now_set, &key, now);
    }
    return is_permitted(now_set, key, filter, now) ? 0 : NAT_DROP_FILTERED;
  }
  struct nat_session* known = bpf_map_lookup_elem(&sessions, &key);
  if (known && known->flags & NAT_RELEASED) {
    note_resumption(known, p);
    return 0;
  }
  if (known) {
    advance(known, p->tcp_flags, 0, now);
    return 0;
  }
  if (!opens(p->tcp_flags)) {
    return NAT_DROP_NO_SESSION;
  }
  /* A connection known by its port would have been found above. */
  if (filter == NAT_FILTER_PORT || !is_permitted(now_set, key, filter, now)) {
    return NAT_DROP_FILTERED;
  }
  return remember_visitor(now_set, &key, NAT_TCP_SYN_IN, now);
}
