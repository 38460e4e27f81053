#pragma once

#include "accel/nat_object.hh"
#include "slirpstack/nat_map.h"

#include <atomic>
#include <cstdint>
#include <linux/types.h>
#include <memory>

namespace slirpstack {

/// Tells the programs in the kernel, which remember flows for a while, that something has ended
/// that flows of an external port relied on.
class NatEnds
{
public:
  /// `object` need not outlive this. Throws std::system_error.
  explicit NatEnds(const NatObject& object);

  /// To be called after a binding or a session has been removed: no later packet is let out by what
  /// was. `port` is in network byte order, as in the maps.
  void note(__be16 port) { std::atomic_ref(counts_.get()[NAT_ENDED_SLOT(port)]).fetch_add(1); }

private:
  struct Unmap
  {
    void operator()(std::uint64_t* counts) const;
  };

  std::unique_ptr<std::uint64_t, Unmap> counts_; ///< shared with the programs
};

} // namespace slirpstack
