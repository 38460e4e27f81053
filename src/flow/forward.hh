#pragma once

#include "flow/forward_spec.hh"
#include "flow/host_network.hh"

#include <deque>
#include <string>
#include <vector>

namespace slirpstack {

/// One listening point of a local forward: where clients of the host come in, and where in the
/// guest they go.
struct LocalForward
{
  ForwardScheme scheme = ForwardScheme::tcp;
  ListenOptions listen;
  /// Tried in order. Port 0: the one that the PROXY header names, else the listener's own.
  std::deque<Endpoint> targets;
  /// Nobody named the guest's address: who asks for a mapped address gets to what it stands for.
  bool follows_map = false;
};

/// One point of a remote forward: a destination of the guest, and what stands for it on the host.
struct RemoteForward
{
  ForwardScheme scheme = ForwardScheme::tcp;
  Endpoint match;
  std::deque<Target> targets; ///< tried in order
};

/// A forward with its names looked up and its ranges of ports spelled out: what a ForwardSpec
/// stands for. Only one of the lists is filled.
struct ForwardPlan
{
  ForwardSpec spec;
  std::vector<LocalForward> local;
  std::vector<RemoteForward> remote;
};

/// What the names of a spec's bind side, and for `-L` of its targets, have turned out to be.
struct ResolvedName
{
  IpAddress address;
  std::uint16_t port = 0; ///< the SRV record's; 0: it says none
};

/// The names in `spec` that have to be known before it can be put into effect: all of `-L`, the
/// bind side of `-R` (whose targets are looked up for each connection).
[[nodiscard]] std::vector<HostName> names_to_resolve(const ForwardSpec& spec);

/// Spells a spec out. `spec` has its defaults filled in; `resolved` has the name of each of
/// `names_to_resolve`, in that order. Throws UsageError for what cannot be: a guest's side that is
/// a Unix socket, UDP over one, …
[[nodiscard]] ForwardPlan plan_forward(const ForwardSpec& spec,
                                       const std::vector<ResolvedName>& resolved);

} // namespace slirpstack
