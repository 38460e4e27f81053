#include "guest/guest_addresses.hh"

#include <cassert>

namespace slirpstack {

GuestAddress GuestAddress::in_network(const Prefix& network)
{
  assert(network.address().bytes().size() * 8 - network.length_bits() >= 7);
  return {Prefix(network.host(100), network.length_bits()), network.host(2)};
}

} // namespace slirpstack
