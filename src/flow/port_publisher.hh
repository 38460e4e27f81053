#pragma once

#include "flow/event_time.hh"
#include "wire/address.hh"

#include <cstdint>

namespace slirpstack {

/// A port of an external address that leads to a port of the guest, with no socket between.
struct PublishedPort
{
  std::uint8_t protocol = 0; ///< PROTOCOL_TCP or PROTOCOL_UDP
  Endpoint external;
  Endpoint guest;
};

/// What becomes of a port that is to be published.
enum class PublishAnswer : std::uint8_t
{
  published,
  taken,       ///< the external port is somebody's, or none that guests may have
  guest_taken, ///< the guest's port is published already, and can be once only
  not_a_guest, ///< no address of the guest's that can be published
  no_room,
};

/// Publishes ports of the guest at addresses that are not the host's, where no socket could listen:
/// the accelerator, whose NAT is in the kernel. It asks nobody about a client. At addresses that
/// are the host's as well it leaves a port to the socket that listens there.
class PortPublisher
{
public:
  virtual ~PortPublisher() = default;

  /// Whether that address is one of those.
  [[nodiscard]] virtual bool has_address(const IpAddress& address) const = 0;
  /// Throws std::system_error, as does withdraw().
  [[nodiscard]] virtual PublishAnswer publish(const PublishedPort& port, TimePoint now) = 0;
  /// Ends what was published, and the connections through it.
  virtual void withdraw(const PublishedPort& port, TimePoint now) = 0;

  /// A socket of the host listens there, perhaps on all of its addresses: no guest may be seen
  /// under that endpoint. False: one is. Throws std::system_error.
  [[nodiscard]] virtual bool reserve(std::uint8_t protocol, const Endpoint& socket, TimePoint now)
    = 0;
  /// It does no longer. To be called as often as reserve().
  virtual void release(std::uint8_t protocol, const Endpoint& socket, TimePoint now) = 0;
};

} // namespace slirpstack
