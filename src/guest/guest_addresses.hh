#pragma once

#include "wire/address.hh"

#include <optional>

namespace slirpstack {

/// One family's addresses of the guest's interface.
struct GuestAddress
{
  /// The guest's own address, with the length of the network it is attached to.
  Prefix guest;
  /// The default route's next hop: us.
  IpAddress gateway;

  /// The slirp numbering of a network: gateway at host 2, guest at host 100. The network needs
  /// seven host bits or more (a prefix of /25 at most).
  static GuestAddress in_network(const Prefix& network);
  /// Where the guest finds its DNS forwarder: host 3 of its network.
  [[nodiscard]] IpAddress dns() const { return guest.host(3); }

  auto operator<=>(const GuestAddress&) const = default;
};

/// The addresses of the guest's interface; a family that it does not have is absent.
struct GuestAddresses
{
  std::optional<GuestAddress> ipv4;
  std::optional<GuestAddress> ipv6;

  auto operator<=>(const GuestAddresses&) const = default;
};

} // namespace slirpstack
