#pragma once

#include "accel/nat_bindings.hh"
#include "flow/port_pool.hh"

#include <cstdint>
#include <optional>
#include <utility>
#include <variant>

namespace slirpstack {

/// Where a guest is.
struct GuestPlace
{
  std::uint32_t ifindex = 0; ///< our end of its veth pair
  std::uint8_t zone = 0;     ///< nat_interface.zone of that
  MacAddress mac;            ///< its own
};

/// A port of an external address that leads to a port of a guest.
struct StaticForward
{
  std::uint8_t protocol = 0; ///< PROTOCOL_TCP or PROTOCOL_UDP
  Endpoint external;
  Endpoint internal;
  GuestPlace guest;
};

/// Why there is no such forward.
enum class StaticRefusal : std::uint8_t
{
  external_taken, ///< the external endpoint is somebody's, or not of the pool
  internal_taken, ///< the guest's endpoint has an external one, and can have one only
  no_room,        ///< the maps are full
};

/// Makes bindings in the kernel's maps with external endpoints out of a pool, and takes them back.
/// The pool knows who has which; what it has not given out itself is found in the maps. All
/// functions throw std::system_error.
class BindingMaker
{
public:
  enum class Origin : std::uint8_t
  {
    pool,
    forward, ///< it lasts until it is removed; its port is reserved
    adopted, ///< a predecessor's; its port is reserved
    found,   ///< another's, who was first
  };
  struct Made
  {
    nat_endpoint external{};
    Origin origin = Origin::pool;
  };

  BindingMaker(const NatObject& object, PortPool pool);

  /// Binds `internal`, which has no binding of ours.
  [[nodiscard]] std::variant<Made, PortRefusal> make(const nat_endpoint& internal,
                                                     const GuestPlace& place,
                                                     std::uint32_t generation,
                                                     TimePoint now);
  /// Also takes over the very same forward of a predecessor.
  [[nodiscard]] std::variant<Made, StaticRefusal> make_static(const StaticForward& forward,
                                                              TimePoint now);
  /// Takes over a binding that a predecessor has made, so that its port is nobody else's.
  [[nodiscard]] Made adopt(const nat_endpoint& internal, const nat_binding& binding);
  /// The rest of a predecessor's ports begins anew.
  void adopt_resting(TimePoint now);
  /// Ends it in the kernel.
  void end(const nat_endpoint& internal, const Made& made, TimePoint now);
  /// It has ended there: its port rests.
  void give_back(const nat_endpoint& internal, const Made& made, TimePoint now);

  /// What is made from now on has its ports from there. Nothing made out of the old one is left.
  void replace_pool(PortPool pool, TimePoint now)
  {
    pool_ = std::move(pool);
    adopt_resting(now);
  }

  [[nodiscard]] NatBindings& bindings() { return bindings_; }
  [[nodiscard]] PortPool& pool() { return pool_; }
  [[nodiscard]] const PortPool& pool() const { return pool_; }

private:
  struct Entry
  {
    const nat_endpoint& internal;
    nat_endpoint external;
    const GuestPlace& place;
    std::uint16_t flags = 0;
    std::uint32_t generation = 0;
  };

  /// Nothing: the endpoint was lost to somebody else, which is no reason to give up.
  std::optional<std::variant<Made, PortRefusal>> claim(const Entry& entry, TimePoint now);
  NatBindings::Added add(const Entry& entry, TimePoint now);
  bool take_over(const Entry& entry);

  NatBindings bindings_;
  NatTable<nat_endpoint, nat_owner> owners_;
  PortPool pool_;
};

} // namespace slirpstack
