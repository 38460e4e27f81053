#pragma once

#include "flow/host_networks.hh"
#include "host/loop.hh"

#include <functional>
#include <memory>

namespace slirpstack {

/// Keeps track of which addresses are the host's own and which networks it is attached to, by
/// rtnetlink: read once at the start, then again shortly after the kernel announces a change.
class HostRoutes
{
public:
  /// `with_routed`: networks behind gateways too, of which a router may have a million. Throws
  /// std::system_error.
  explicit HostRoutes(Loop& loop, bool with_routed = false);
  ~HostRoutes();
  HostRoutes(HostRoutes&&) = delete;
  HostRoutes& operator=(HostRoutes&&) = delete;
  HostRoutes(const HostRoutes&) = delete;
  HostRoutes& operator=(const HostRoutes&) = delete;

  /// `callback` runs, from the loop or from `newest()`, when `networks()` has become different.
  void on_changed(std::function<void()> callback);

  [[nodiscard]] const HostNetworks& networks() const;
  /// The same with changes that would else be read shortly, for who asks for something right after
  /// he has made a route for it. Where routes never hold still that takes a twentieth of the time.
  [[nodiscard]] const HostNetworks& newest();

private:
  struct State;
  std::unique_ptr<State> state_;
};

} // namespace slirpstack
