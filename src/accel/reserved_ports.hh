#pragma once

#include "accel/binding_maker.hh"
#include "accel/former_bindings.hh"
#include "accel/nat_endpoints.hh"

#include <cstddef>
#include <cstdint>
#include <map>

namespace slirpstack {

/// External ports where sockets of the host listen: no guest gets them, and what comes there is the
/// host's. All functions throw std::system_error.
class ReservedPorts
{
public:
  /// Both must outlive this.
  ReservedPorts(BindingMaker& maker, FormerBindings& former) : maker_(maker), former_(former) {}

  /// For one more socket there. False: a guest has the port, or it is not of the pool.
  [[nodiscard]] bool reserve(const Endpoint& external, std::uint8_t protocol, TimePoint now);
  /// For one less.
  void release(const Endpoint& external, std::uint8_t protocol, TimePoint now);
  /// All of them are at that address now, of another pool.
  void move_to(const IpAddress& address, TimePoint now);
  [[nodiscard]] bool contains(const nat_endpoint& external) const
  {
    return sockets_.contains(external);
  }

private:
  BindingMaker& maker_;
  FormerBindings& former_;
  std::map<nat_endpoint, std::size_t, NatEndpointOrder> sockets_; ///< how many at each
};

} // namespace slirpstack
