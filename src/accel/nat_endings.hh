#pragma once

#include "base/clock.hh"
#include "slirpstack/nat_map.h"

namespace slirpstack {

/// Whoever made bindings and sessions in the kernel, and is told how they end.
class NatEndings
{
public:
  virtual ~NatEndings() = default;
  /// Both sides have ended the connection, which stays known until it has been silent.
  virtual void on_session_closed(const nat_session_key& session) = 0;
  /// It was silent too long, and is gone.
  virtual void on_session_ended(const nat_session_key& session) = 0;
  /// Likewise. Its port rests from `now` on.
  virtual void on_binding_ended(const nat_endpoint& internal, TimePoint now) = 0;
};

} // namespace slirpstack
