#pragma once

#include "control/request.hh"
#include "flow/policy.hh"
#include "gateway/our_addresses.hh"

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

/// Whose flow it is and who judges it, in a running gateway or in one that only its options tell
/// of.
struct ExplainedGuest
{
  const Policy& policy;
  const HostNetworks& host;
  const OurAddresses& ours;
  const IpAddress& source; ///< whoever opens the flow
};

/// Goes the way of a new flow without opening it or counting anything. `forward`: what a remote
/// forward that stands for the destination is called; empty: there is none.
[[nodiscard]] Explanation explain(const ExplainedGuest& guest,
                                  const Explain& asked,
                                  const IpAddress& destination,
                                  const std::string& forward);

/// `tcp 192.0.2.1:443: denied, line 3: deny 192.0.2.0/24`
[[nodiscard]] std::string to_line(const Explain& asked, const Explanation& explanation);

} // namespace slirpstack
