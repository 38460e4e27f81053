#pragma once

#include "base/clock.hh"

namespace slirpstack {

/// The time of the event that is being handled. The event loop's owner moves it on before it
/// delivers events; whoever is called by the host's sockets, which tell no time, reads it here.
struct EventTime
{
  TimePoint now;
};

} // namespace slirpstack
