#pragma once

#include "accel/nat_object.hh"

#include <memory>

namespace slirpstack::test {

/// Gives an object back when its user is done with it.
struct GiveBack
{
  void operator()(NatObject* object) const;
};

using PooledObject = std::unique_ptr<NatObject, GiveBack>;

/// The NAT's programs with empty maps, small ones. The kernel checks the programs when they are
/// loaded, which takes it a second: those that were given back are emptied and used again. Throws
/// std::system_error.
[[nodiscard]] PooledObject take_object(NatHook hook);

} // namespace slirpstack::test
