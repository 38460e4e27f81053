/* NAT and prefix mapping for privileged hosts: one source for XDP and, with NAT_TC, for TC. Three
 * programs: for a guest's interface, for the external one, and for the tap through which slirpstack
 * gives packets back. slirpstack/nat_map.h describes the maps that steer them. */

#include "bpf/outbound.bpf.h"
#include "bpf/prefix.bpf.h"
#include "bpf/unfinished.bpf.h"

#ifdef NAT_TC
#define PROGRAM SEC("tc")
#else
#define PROGRAM SEC("xdp")
#endif

/* All headers that are looked at, an ICMP error's quotation among them. */
#define HEADERS_BYTES 166

static __always_inline int is_ipv6(context* ctx)
{
  __u32 l3;
  return ethertype(ctx, &l3) == bpf_htons(ETH_P_IPV6);
}

/* Whoever made the bindings and ends them is dead. XDP goes with him. */
static __always_inline int is_abandoned(void)
{
#ifdef NAT_TC
  const struct nat_settings* now_set = current_settings();
  if (now_set && now_set->flags & NAT_HEARTBEAT) {
    __u32 zero = 0;
    const __u64* until = bpf_map_lookup_elem(&heartbeat, &zero);
    return !until || *until < bpf_ktime_get_coarse_ns();
  }
#endif
  return 0;
}

/* A filter may outlive its guest's service. Without an entry its packets would be those of zone 0.
 */
static __always_inline int is_served(struct origin* origin)
{
  const struct nat_settings* now_set = current_settings();
  if (!now_set || !(now_set->flags & NAT_ZONES)) {
    return now_set != 0;
  }
  look_up(origin);
  return origin->is_known == INTERFACE_SERVED;
}

/* slirpstack serves no VLAN, and a guest of its own shall not choose one outside. */
static __always_inline int from_guest(context* ctx)
{
  if (is_abandoned()) {
    return VERDICT_DROP;
  }
  struct origin origin = {.guest = arrival(ctx)};
  if (!is_served(&origin)) {
    return dropped(NAT_DROP_NO_BINDING, frame_length(ctx));
  }
  make_readable(ctx, HEADERS_BYTES);
  if (is_unfinished_wrongly(ctx)) {
    return dropped(NAT_DROP_MALFORMED, frame_length(ctx));
  }
  if (is_tagged(ctx)) {
    look_up(&origin);
    if (origin.tap) {
      return dropped(NAT_DROP_PROTOCOL, frame_length(ctx));
    }
  }
  return is_ipv6(ctx) ? prefix_outbound(ctx, &origin) : outbound(ctx, &origin);
}

PROGRAM int nat_internal(context* ctx)
{
  return from_guest(ctx);
}

PROGRAM int nat_external(context* ctx)
{
  if (is_abandoned()) {
    return to_host(0);
  }
  struct origin origin = {.guest = arrival(ctx)};
  make_readable(ctx, HEADERS_BYTES);
  if (is_unfinished_wrongly(ctx)) {
    return dropped(NAT_DROP_MALFORMED, frame_length(ctx));
  }
  return is_ipv6(ctx) ? prefix_inbound(ctx) : inbound(ctx, &origin);
}

/* Nothing enters the host by a tap: what comes from there a guest may have brought about. */
static __always_inline int unless_host(int verdict)
{
  return verdict == VERDICT_HOST ? VERDICT_DROP : verdict;
}

/* Where the packet of a tap is from: from the tap's guest, or, of a fragment that was held, from
 * where it had come in; it goes on as if it did so just now. Returns whether that is outside, -1
 * for what is from nowhere. What differs is computed, not branched on: the verifier would look at
 * all that follows once for each way to it. */
static __noinline int find_origin(context* ctx, struct origin* origin)
{
  __u32 tap = arrival(ctx);
  const struct nat_settings* now_set = current_settings();
  const struct nat_interface* interface = bpf_map_lookup_elem(&interfaces, &tap);
  struct ethhdr* ethernet = at(ctx, 0, sizeof(*ethernet));
  if (!origin || !now_set || !interface || !ethernet) {
    return -1;
  }
  struct nat_return from;
  __builtin_memcpy(&from, ethernet->h_dest, sizeof(from));
  __u32 is_held = interface->zone / NAT_HOLDER;
  __u32 has_zones = now_set->flags / NAT_ZONES & 1;
  origin->guest = interface->partner;
  if (is_held) {
    origin->guest = (__u32)from.ifindex[0] << 24 | (__u32)from.ifindex[1] << 16
                    | (__u32)from.ifindex[2] << 8 | from.ifindex[3];
    copy_mac(ethernet->h_dest, now_set->gateway_mac);
  }
  struct nat_interface came = {};
  interface = bpf_map_lookup_elem(&interfaces, &origin->guest);
  if (interface) {
    came = *interface;
  }
  origin->tap = came.partner;
  origin->is_known = INTERFACE_SERVED;
  origin->is_held = is_held;
  origin->again = is_held ^ 1;
  origin->zone = came.zone * (has_zones | origin->again);
  return from.inbound & is_held;
}

/* Where slirpstack's own packets to a guest go, and those that it gives back, for which there is a
 * binding now; and by a tap without a guest the fragments that were held. */
PROGRAM int nat_tap(context* ctx)
{
  make_readable(ctx, HEADERS_BYTES);
  struct origin origin = {};
  int is_from_outside = find_origin(ctx, &origin);
  const struct nat_settings* now_set = current_settings();
  if (!now_set || is_from_outside < 0) {
    return VERDICT_DROP;
  }
  struct packet p = {};
  if (is_ipv6(ctx)) {
    struct mapped_packet* m = empty_packet();
    return gives_back(ctx, &origin, m) ? forward_mapped(ctx, &origin, m)
                                       : redirect_to_guest(ctx, origin.guest);
  }
  if (parse_network(ctx, &p) == PARSED) {
    if (!is_from_outside && is_translatable(now_set, &p)) {
      return unless_host(outbound(ctx, &origin));
    }
    if (is_external(now_set, p.destination)) {
      return unless_host(inbound(ctx, &origin));
    }
  }
  return origin.is_held ? VERDICT_DROP : redirect_to_guest(ctx, origin.guest);
}

/* Some helpers are for programs under the GPL. */
char nat_license[] SEC("license") = "Dual BSD/GPL";
