#pragma once

#include <memory>

namespace slirpstack {

/// Closes a libuv handle. libuv goes on using the memory of a handle until its close callback, so
/// that callback is what deletes `Node`, a struct with a member `handle`. Defined in uv_node.hh,
/// for the host layer alone.
template<typename Node>
struct UvClose
{
  void operator()(Node* node) const noexcept;
};

/// Owns a libuv handle together with what its callback uses. Both outlive a destruction from
/// inside that callback.
template<typename Node>
using uv_unique = std::unique_ptr<Node, UvClose<Node>>;

} // namespace slirpstack
