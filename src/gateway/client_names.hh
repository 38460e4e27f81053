#pragma once

#include "flow/flow_table.hh"
#include "flow/policy.hh"

#include <optional>

namespace slirpstack {

/// Under which address and port the guest sees the clients of the host's listeners: their own
/// where the guest's answers can come back to us that way, else the gateway's.
class ClientNames
{
public:
  /// `policy` and `flows` must outlive this. `first_port`: where the search for a free port of the
  /// gateway begins; any number.
  ClientNames(const Policy& policy,
              FlowTable& flows,
              const IpAddress& gateway_ipv4,
              const IpAddress& gateway_ipv6,
              std::uint16_t first_port);

  /// A name for a flow to `target`, so that the flow table knows no such flow. `client` is nothing
  /// where it has no address (a Unix socket). Nothing when all ports are taken.
  [[nodiscard]] std::optional<Endpoint> name_for(std::uint8_t protocol,
                                                 const std::optional<Endpoint>& client,
                                                 const Endpoint& target);
  /// Whether the guest sees this client under its own address.
  [[nodiscard]] bool shows(const IpAddress& client, Family family) const;

private:
  [[nodiscard]] bool is_free(const FlowKey& key);
  [[nodiscard]] std::uint16_t next_port();

  const Policy& policy_;
  FlowTable& flows_;
  IpAddress gateway_ipv4_;
  IpAddress gateway_ipv6_;
  std::uint16_t next_port_;
};

} // namespace slirpstack
