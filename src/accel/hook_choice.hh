#pragma once

#include "accel/nat_object.hh"

#include <string>

namespace slirpstack {

/// Where the programs go, and why: a phrase for the log.
struct HookChoice
{
  NatHook hook = NatHook::xdp;
  std::string reason;
};

/// What `auto` picks. Between virtual interfaces super-segments pass TC whole, so most bytes do;
/// a network card that has XDP carries most packets with it. Whether its driver has shows only when
/// a program is attached. Throws std::system_error.
[[nodiscard]] HookChoice choose_hook(const std::string& external, unsigned mtu_bytes);

} // namespace slirpstack
