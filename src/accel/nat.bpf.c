/* NAT and prefix mapping for privileged hosts: one source for XDP and, with NAT_TC, for TC. Three
 * programs: for a guest's interface, for the external one, and for the tap through which slirpstack
 * gives packets back. slirpstack/nat_map.h describes the maps that steer them. */

#include "bpf/outbound.bpf.h"
#include "bpf/prefix.bpf.h"

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

/* slirpstack serves no VLAN, and a guest of its own shall not choose one outside. */
static __always_inline int from_guest(context* ctx)
{
  if (is_abandoned()) {
    return VERDICT_DROP;
  }
  struct origin origin = {.guest = arrival(ctx)};
  make_readable(ctx, HEADERS_BYTES);
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
  return is_ipv6(ctx) ? prefix_inbound(ctx) : inbound(ctx, &origin);
}

/* Nothing enters the host by a tap: what comes from there a guest may have brought about. */
static __always_inline int unless_host(int verdict)
{
  return verdict == VERDICT_HOST ? VERDICT_DROP : verdict;
}

/* Where slirpstack's own packets to a guest go, and those that it gives back: a guest's packet for
 * which there is a binding now, and a fragment from outside that came too early. */
PROGRAM int nat_tap(context* ctx)
{
  __u32 tap = arrival(ctx);
  make_readable(ctx, HEADERS_BYTES);
  const struct nat_settings* now_set = current_settings();
  const struct nat_interface* interface = bpf_map_lookup_elem(&interfaces, &tap);
  if (!now_set || !interface) {
    return VERDICT_DROP;
  }
  struct origin origin
    = {.guest = interface->partner, .zone = interface->zone, .is_known = 1, .again = 1};
  struct packet p = {};
  if (is_ipv6(ctx)) {
    struct mapped_packet* m = empty_packet();
    return gives_back(ctx, &origin, m) ? forward_mapped(ctx, &origin, m)
                                       : redirect_to_guest(ctx, origin.guest);
  }
  if (parse_network(ctx, &p) == PARSED) {
    if (is_translatable(now_set, &p)) {
      return unless_host(outbound(ctx, &origin));
    }
    if (is_external(now_set, p.destination)) {
      return unless_host(inbound(ctx, &origin));
    }
  }
  return redirect_to_guest(ctx, origin.guest);
}

/* Some helpers are for programs under the GPL. */
char nat_license[] SEC("license") = "Dual BSD/GPL";
