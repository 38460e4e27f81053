#pragma once

#include "flow/flow_table.hh"
#include "flow/forward_spec.hh"
#include "flow/host_network.hh"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace slirpstack {

struct Config;

/// A forward that has been put into effect, as it is told to the user.
struct ForwardNews
{
  std::uint32_t id = 0;
  ForwardSpec spec;
  /// Of a local forward: where it listens, with the ports that the host has chosen.
  std::vector<StreamAddress> listening;
  /// Of a remote forward: what stands for something else in the guest's world.
  std::vector<Endpoint> matching;
};

/// Where the guest finds whom; a family that it does not have is absent.
struct ServedAddresses
{
  std::vector<IpAddress> guest;
  std::vector<IpAddress> gateway;
  std::vector<IpAddress> dns;
};

/// Tells the user what becomes of the program and its flows, in the manner of the face that it was
/// started under.
class Narrator : public FlowObserver
{
public:
  virtual void metrics_running(const StreamAddress& address) = 0;
  virtual void joining(std::string_view netns) = 0;
  virtual void opening(std::string_view interface) = 0;
  /// Before `started()`, where there is one.
  virtual void serving(const ServedAddresses& addresses) = 0;
  virtual void forwarding(const ForwardNews& forward) = 0;
  virtual void started(std::size_t max_flows) = 0;
  virtual void closing() = 0;
  /// The last word of a program that could not start; `what` is the whole message.
  virtual void failed(std::string_view what) = 0;

  /// The one that the configuration asks for.
  [[nodiscard]] static std::unique_ptr<Narrator> make(const Config& config);
};

} // namespace slirpstack
