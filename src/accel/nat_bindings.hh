#pragma once

#include "accel/nat_ends.hh"
#include "accel/nat_object.hh"
#include "accel/nat_table.hh"
#include "slirpstack/nat_map.h"
#include "wire/address.hh"

#include <chrono>
#include <cstdint>
#include <optional>

namespace slirpstack {

struct BoundEndpoints
{
  nat_endpoint internal{};
  nat_endpoint external{};
};

/// The bindings in the kernel and the owners of their external endpoints: two maps that have to
/// agree. The owner's entry is the claim, so it comes first and goes last.
class NatBindings
{
public:
  enum class Added : std::uint8_t
  {
    added,
    endpoint_taken, ///< somebody has the external endpoint
    bound_already,  ///< the internal one has a binding: read it
    no_room,
  };

  explicit NatBindings(const NatObject& object);

  /// Binds `internal` to `external`; `flags`, `generation` and times are those of the two values.
  /// All or nothing. Throws std::system_error, as all of these do.
  [[nodiscard]] Added add(const nat_endpoint& internal,
                          const nat_endpoint& external,
                          const nat_binding& binding,
                          const nat_owner& owner);
  [[nodiscard]] std::optional<nat_binding> find(const nat_endpoint& internal) const
  {
    return bindings_.find(internal);
  }
  /// Policy has allowed it anew; `last_out` counts if it is later than what is there.
  void renew(const nat_endpoint& internal, std::uint32_t generation, std::uint64_t last_out);
  /// The guest's Ethernet address is another one now.
  void set_mac(const nat_endpoint& external, const MacAddress& mac);
  /// Ends the binding; nobody gets the external endpoint before it has rested (see NatExpiry).
  void end(const nat_endpoint& internal,
           const nat_endpoint& external,
           std::chrono::nanoseconds now);
  /// Ends a session; no entry is no error.
  void end_session(const nat_session_key& session);
  /// Its place under policy's limits is another's (NAT_RELEASED). False: there is no such session.
  bool release_session(const nat_session_key& session);
  /// Keeps the external endpoint for a socket of the host; it may rest. False: somebody has it.
  [[nodiscard]] bool reserve(const nat_endpoint& external);
  /// It is kept no longer: it rests.
  void release(const nat_endpoint& external, std::chrono::nanoseconds now);
  /// The external endpoint may be had again at once. False: it does not rest.
  bool wake(const nat_endpoint& external);

private:
  NatTable<nat_endpoint, nat_binding> bindings_;
  NatTable<nat_endpoint, nat_owner> owners_;
  NatTable<nat_session_key, nat_session> sessions_;
  NatEnds ends_;
};

} // namespace slirpstack
