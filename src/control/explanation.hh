#pragma once

#include "control/request.hh"
#include "flow/policy.hh"
#include "gateway/forward_set.hh"

#include <string>
#include <vector>

namespace slirpstack {

/// What would become of a flow to one address, in words.
struct Explanation
{
  std::string destination; ///< `192.0.2.1:443`
  std::string verdict;     ///< `allowed`, `denied`, `dropped`, `rejected`, `forwarded`
  std::string by;          ///< which rule, option or default says so
  bool allowed = false;
};

/// Asks policy without counting anything. `source` is whoever opens the flow.
[[nodiscard]] Explanation explain(const Policy& policy,
                                  const HostNetworks& host,
                                  const Explain& asked,
                                  const IpAddress& source,
                                  const IpAddress& destination);

/// `tcp`, `udp` or `icmp`, as it was asked for.
[[nodiscard]] std::string_view protocol_name(const Explain& asked);

/// `tcp 192.0.2.1:443: denied, line 3: deny 192.0.2.0/24`
[[nodiscard]] std::string to_line(const Explain& asked, const Explanation& explanation);

} // namespace slirpstack
