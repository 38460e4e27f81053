#pragma once

/* Which guest a packet is of. */

#include "maps.bpf.h"

#define RENUMBERED 0x10000U

/* Where the later fragments of a datagram are to follow its first; to nowhere if that was dropped,
 * or answered. */
enum packet_fate
{
  FATE_NONE,
  FATE_ASIDE, /* to slirpstack, or from outside to the host */
  FATE_TRANSLATED,
};

enum interface_knowledge
{
  INTERFACE_UNKNOWN, /* nobody has looked yet */
  INTERFACE_FOREIGN, /* it has no entry */
  INTERFACE_SERVED,
};

struct origin
{
  __u32 guest; /* the interface behind which the guest is */
  __u32 tap;   /* where slirpstack hears of the packet; 0: nowhere */
  __u32 zone;
  __u32 is_known; /* enum interface_knowledge */
  __u32 again;    /* slirpstack has seen it and given it back */
  __u32 is_held;  /* a fragment that has waited for the first of its datagram */
  __u32 fate;     /* out: see enum packet_fate */
  __u32
    renumbered; /* out: the identification that it has left under, with RENUMBERED; 0: its own */
};

static __always_inline void look_up(struct origin* origin)
{
  if (origin->is_known) {
    return;
  }
  origin->is_known = INTERFACE_FOREIGN;
  const struct nat_interface* interface = bpf_map_lookup_elem(&interfaces, &origin->guest);
  if (interface) {
    origin->is_known = INTERFACE_SERVED;
    origin->tap = interface->partner;
    origin->zone = interface->zone;
  }
}
