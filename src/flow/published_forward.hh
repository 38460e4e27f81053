#pragma once

#include "flow/address_range.hh"
#include "flow/forward_spec.hh"
#include "flow/port_publisher.hh"

#include <cstdint>
#include <string>
#include <vector>

namespace slirpstack {

/// The two sides of a NAT.
struct NatNetworks
{
  std::vector<AddressRange> external;
  std::vector<Prefix> internal;
};

/// The ports that a forward (`-L`) is, one by one, where it is the NAT in the kernel that carries
/// it: without sockets, and with no name looked up. It names an external port and an internal
/// address; what else it leaves out is the only external address, and the same port inside. Throws
/// UsageError with the reason, one line, for what that cannot be.
[[nodiscard]] std::vector<PublishedPort> published_ports(const ForwardSpec& spec,
                                                         const NatNetworks& networks);

/// `tcp://203.0.113.1:80`
[[nodiscard]] std::string external_text(const PublishedPort& port);

/// A forward that is in effect.
struct PublishedForward
{
  std::uint32_t id = 0;
  ForwardSpec spec;
  std::vector<PublishedPort> ports;
};

/// The forwards of a NAT whose subscribers are no guests of ours.
class PublishedForwards
{
public:
  virtual ~PublishedForwards() = default;

  /// Puts a forward into effect, all of its ports or none. Throws UsageError with the reason, and
  /// std::system_error, as remove() does.
  virtual PublishedForward add(const ForwardSpec& spec) = 0;
  /// Ends it, and the connections through it. False: there is none of that number.
  virtual bool remove(std::uint32_t id) = 0;
  [[nodiscard]] virtual std::vector<PublishedForward> list() const = 0;
};

} // namespace slirpstack
