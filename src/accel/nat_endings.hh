#pragma once

#include "base/clock.hh"
#include "slirpstack/nat_map.h"

namespace slirpstack {

/// Whoever made bindings and sessions in the kernel, and is told when they have been silent too
/// long and were ended.
class NatEndings
{
public:
  virtual ~NatEndings() = default;
  virtual void on_session_ended(const nat_session_key& session) = 0;
  /// Its port rests from `now` on.
  virtual void on_binding_ended(const nat_endpoint& internal, TimePoint now) = 0;
};

} // namespace slirpstack
