#include "gateway/client_names.hh"

namespace slirpstack {

namespace {

// RFC 6335 6: the dynamic ports. Those of the gateway, that is; the host's are not touched.
constexpr std::uint16_t FIRST_PORT = 49152;
constexpr int PORTS = 65536 - FIRST_PORT;
// A client takes a free port within a few steps unless thousands go to the same target.
constexpr int ATTEMPTS = 1024;

} // namespace

ClientNames::ClientNames(const Policy& policy,
                         FlowTable& flows,
                         const IpAddress& gateway_ipv4,
                         const IpAddress& gateway_ipv6,
                         std::uint16_t first_port)
  : policy_(policy)
  , flows_(flows)
  , gateway_ipv4_(gateway_ipv4)
  , gateway_ipv6_(gateway_ipv6)
  , next_port_(first_port)
{}

bool ClientNames::shows(const IpAddress& client, Family family) const
{
  return client.family() == family && !policy_.is_reserved(client);
}

bool ClientNames::is_free(const FlowKey& key)
{
  Relay* const known = flows_.find(key);
  if (known != nullptr && known->expendable()) {
    flows_.finish(*known);
    return true;
  }
  return known == nullptr;
}

std::uint16_t ClientNames::next_port()
{
  return static_cast<std::uint16_t>(FIRST_PORT + next_port_++ % PORTS);
}

std::optional<Endpoint> ClientNames::name_for(std::uint8_t protocol,
                                              const std::optional<Endpoint>& client,
                                              const Endpoint& target)
{
  const Family family = target.address.family();
  if (client && shows(client->address, family) && is_free({protocol, target, *client})) {
    return client;
  }
  Endpoint name{family == Family::ipv4 ? gateway_ipv4_ : gateway_ipv6_,
                client ? client->port : next_port()};
  for (int attempt = 0; attempt < ATTEMPTS; ++attempt) {
    if (is_free({protocol, target, name})) {
      return name;
    }
    name.port = next_port();
  }
  return std::nullopt;
}

} // namespace slirpstack
