#pragma once

#include "flow/host_network.hh"
#include "flow/prefix_map.hh"
#include "gateway/admission.hh"

#include <optional>
#include <set>

namespace slirpstack {

/// The address that a flow of the guest leaves from, or why it cannot leave.
struct ChosenSource
{
  std::optional<SourceAddress> source; ///< none: the host's choice
  HostError error;
};

/// Which outside addresses the guest's own ones are mapped to. An address is used only where the
/// host takes what is sent to it (a route of type `local`): else no answer would ever come. A flow
/// whose address is mapped never leaves from another one.
class MappedSources
{
public:
  /// All references must outlive this.
  MappedSources(const PrefixMap& prefixes, Admission::HostNetworksSource host_networks);

  /// `otherwise`: for an address that lies in no mapping.
  [[nodiscard]] ChosenSource choose(const IpAddress& guest,
                                    const std::optional<IpAddress>& otherwise);

  /// Where a flow between these two leaves from, if the address is mapped and that can be: nothing
  /// also where the remote lies in an internal prefix, which is on this side of the map.
  [[nodiscard]] std::optional<IpAddress> source_of(const IpAddress& guest,
                                                   const IpAddress& remote) const;

private:
  void complain(const PrefixMapping& mapping);

  const PrefixMap& prefixes_;
  Admission::HostNetworksSource host_networks_;
  std::set<Prefix> complained_; ///< external prefixes, each told once
};

/// The same where there may be no mappings at all (null).
[[nodiscard]] ChosenSource choose_source(MappedSources* mapped,
                                         const IpAddress& guest,
                                         const std::optional<IpAddress>& otherwise);

} // namespace slirpstack
