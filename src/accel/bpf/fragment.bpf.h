#pragma once

/* Fragments of IPv4 datagrams. Only the first has ports, by which the later ones are translated
 * too: once it is decided where that goes, `fragments` has them. What comes before it is copied to
 * user space, which sends it again through a tap of its own when the first is there (RFC 4787
 * REQ-14). Nobody polls for that: who comes first is noted in `awaited`, and the first says so. */

#include "allocate.bpf.h"
#include "budget.bpf.h"
#include "origin.bpf.h"

#define FRAGMENT_LIFETIME_NS NAT_FRAGMENT_NS

/* REQ-14a: so many are copied at once for each share, and one more each NS_PER_HELD. */
#define HELD_BURST 256
#define NS_PER_HELD 100000ULL

/* `fragments` forgets the oldest of all guests': so many first ones are noted of each share, which
 * in the two seconds that they are wanted for is half of the map. */
#define FIRST_BURST 1024
#define NS_PER_FIRST 61035ULL

/* The two sizes of a record; what is larger than the second is no IPv4 packet. */
#define HELD_SMALL_BYTES 2048
#define HELD_LARGE_BYTES 65600

struct
{
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __type(key, __u32);
  __type(value, struct budget);
  __uint(max_entries, 2 * NAT_SHARES); /* of fragments that wait; of first ones */
} shares SEC(".maps");

static __always_inline struct nat_fragment_key fragment_key(const struct packet* p,
                                                            __u8 inbound,
                                                            __u32 zone)
{
  struct nat_fragment_key key = {
    .source = p->source,
    .destination = p->destination,
    .identification = p->identification,
    .protocol = p->protocol,
    .inbound = inbound,
    .zone = zone,
  };
  return key;
}

static __always_inline int has_ports(__u8 protocol)
{
  return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP;
}

static __always_inline int later_ports(struct packet* p, __u8 inbound, __u32 zone, __u64 now)
{
  if (!has_ports(p->protocol)) {
    return PARSE_PROTOCOL;
  }
  struct nat_fragment_key key = fragment_key(p, inbound, zone);
  const struct nat_fragment* first = bpf_map_lookup_elem(&fragments, &key);
  if (!first || now - first->seen > FRAGMENT_LIFETIME_NS) {
    return PARSE_FRAGMENT;
  }
  p->source_port = first->source_port;
  p->destination_port = first->destination_port;
  return first->flags & NAT_FRAGMENT_ASIDE ? PARSE_ASIDE : PARSED;
}

static __always_inline int parse_transport(context* ctx,
                                           struct packet* p,
                                           __u8 inbound,
                                           __u32 zone,
                                           __u64 now)
{
  return p->fragment == FRAGMENT_LATER ? later_ports(p, inbound, zone, now) : parse_ports(ctx, p);
}

static __always_inline void say_first_came(const struct nat_fragment_key* key)
{
  struct nat_early* news = bpf_ringbuf_reserve(&early, sizeof(*news), 0);
  if (news) {
    __builtin_memset(news, 0, sizeof(*news));
    news->key = *key;
    bpf_ringbuf_submit(news, 0);
  }
}

/* Who pays: the guest, or the subscriber; from outside the address that the packet is for. */
static __always_inline __u32 share_of(const struct packet* p, __u8 inbound, __u32 zone)
{
  const struct nat_settings* now_set = current_settings();
  __u32 half = NAT_SHARES / 2;
  __u32 secret = now_set ? now_set->secret : 0;
  if (inbound) {
    return half + scatter(bpf_ntohl(p->destination) ^ secret) % half;
  }
  return (now_set && now_set->flags & NAT_ZONES ? zone : scatter(bpf_ntohl(p->source) ^ secret))
         % half;
}

/* A function of its own, since the stack of its callers is nearly full. */
static __noinline int admit_later(const struct packet* p,
                                  __u8 inbound,
                                  __u32 zone,
                                  const struct origin* origin)
{
  if (!p || !origin) {
    return -1;
  }
  __u32 share = NAT_SHARES + share_of(p, inbound, zone);
  struct budget* budget = bpf_map_lookup_elem(&shares, &share);
  if (!budget || !spend(budget, FIRST_BURST, NS_PER_FIRST)) {
    return -1;
  }
  struct nat_fragment_key key = fragment_key(p, inbound, zone);
  struct nat_fragment first = {.source_port = p->source_port,
                               .destination_port = p->destination_port,
                               .identification = origin->renumbered,
                               .flags = (origin->fate == FATE_ASIDE ? NAT_FRAGMENT_ASIDE : 0)
                                        | (origin->renumbered ? NAT_FRAGMENT_RENUMBERED : 0),
                               .seen = bpf_ktime_get_coarse_ns()};
  bpf_map_update_elem(&fragments, &key, &first, BPF_ANY);
  if (bpf_map_lookup_elem(&awaited, &key)) {
    bpf_map_delete_elem(&awaited, &key);
    say_first_came(&key);
  }
  return 0;
}

/* The later ones follow this packet, if it is a first fragment. To be called when they can: its
 * binding is made. */
static __always_inline void note_first(const struct packet* p,
                                       __u8 inbound,
                                       __u32 zone,
                                       const struct origin* origin)
{
  if (p->fragment == FRAGMENT_FIRST && !p->is_icmp_error && origin->fate != FATE_NONE) {
    admit_later(p, inbound, zone, origin);
  }
}

static __always_inline struct nat_early* copy_frame(context* ctx, __u32 length, const __u32 room)
{
  struct nat_early* record = bpf_ringbuf_reserve(&early, sizeof(*record) + room, 0);
  if (!record) {
    return 0;
  }
  if (length > room || load_bytes(ctx, 0, record + 1, length)) {
    bpf_ringbuf_discard(record, 0);
    return 0;
  }
  return record;
}

/* Copies a fragment whose first has not come. Returns -1 if that cannot be: nobody is there to hold
 * it, or its share is used up, or the room. */
static __noinline int hold(context* ctx, const struct packet* p, __u8 inbound, __u32 zone)
{
  const struct nat_settings* now_set = current_settings();
  if (!p || !now_set || !(now_set->flags & NAT_HOLDS_FRAGMENTS)) {
    return -1;
  }
  __u32 share = share_of(p, inbound, zone);
  struct budget* budget = bpf_map_lookup_elem(&shares, &share);
  if (!budget || !spend(budget, HELD_BURST, NS_PER_HELD)) {
    return -1;
  }
  __u32 length = frame_length(ctx);
  if (length < ETH_HLEN) {
    return -1;
  }
  /* Or clang compares a difference, from which the verifier learns nothing of the length. */
  asm volatile("" : "+r"(length));
  struct nat_early* record = length > HELD_SMALL_BYTES ? copy_frame(ctx, length, HELD_LARGE_BYTES)
                                                       : copy_frame(ctx, length, HELD_SMALL_BYTES);
  if (!record) {
    return -1;
  }
  struct nat_fragment_key key = fragment_key(p, inbound, zone);
  __u32 one = 1;
  bpf_map_update_elem(&awaited, &key, &one, BPF_ANY); /* before user space looks for the first */
  record->key = key;
  record->time = bpf_ktime_get_coarse_ns();
  record->ifindex = arrival(ctx);
  record->share = share;
  record->length_bytes = length;
  note_tag_aside(ctx, &record->vlan_protocol, &record->vlan_tag);
  bpf_ringbuf_submit(record, 0);
  count(NAT_HELD, p->length);
  return 0;
}
