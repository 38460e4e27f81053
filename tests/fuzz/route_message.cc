#include "host/route_message.hh"

#include "require.hh"

#include <vector>

using namespace slirpstack;

/// What is read is a network of its family, never the whole internet.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const std::vector<std::uint8_t> aligned(data, data + size);
  if (const auto network = parse_route_message(aligned)) {
    const bool ipv4 = network->prefix.address().is_ipv4();
    require(network->prefix.length_bits() <= (ipv4 ? 32U : 128U));
    HostNetworks networks;
    networks.add(network->kind, network->prefix);
    require(networks.find(network->prefix.address()) == network->kind);
  }
  return 0;
}
