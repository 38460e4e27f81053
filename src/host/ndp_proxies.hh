#pragma once

#include "base/file_descriptor.hh"
#include "flow/host_networks.hh"
#include "flow/prefix_map.hh"
#include "host/loop.hh"
#include "wire/ndp.hh"

#include <functional>
#include <list>
#include <optional>
#include <string>

namespace slirpstack {

/// Answers for mapped addresses when neighbours of the host look for them (RFC 4861 section 7.2),
/// on the interfaces that mappings name, where a network takes them to be attached and nobody
/// routes them here. Only for open mappings, and for what the host takes as sent to itself (`ip -6
/// route add local`), so that a mapping alone takes nobody's address. It needs CAP_NET_RAW, and
/// does without where that is missing.
class NdpProxies
{
public:
  using HostNetworksSource = std::function<const HostNetworks&()>;

  /// `loop` and `map` must outlive this.
  NdpProxies(Loop& loop, const PrefixMap& map, HostNetworksSource host_networks);
  ~NdpProxies();
  NdpProxies(const NdpProxies&) = delete;
  NdpProxies& operator=(const NdpProxies&) = delete;
  NdpProxies(NdpProxies&&) = delete;
  NdpProxies& operator=(NdpProxies&&) = delete;

  /// After the map may have changed; costs next to nothing where it has not.
  void refresh();

private:
  struct Proxy
  {
    std::string interface;
    FileDescriptor socket;
    std::optional<Watch> watch;
  };

  void open(const std::string& interface);
  void read(Proxy& proxy);
  void answer(const Proxy& proxy, ByteView packet, const MacAddress& asking) const;
  /// False: it has no such address to answer for.
  [[nodiscard]] bool answers_for(const IpAddress& target) const;

  Loop& loop_;
  const PrefixMap& map_;
  HostNetworksSource host_networks_;
  std::uint64_t seen_changes_ = 0;
  std::list<Proxy> proxies_;
  bool is_denied_ = false; ///< and that has been told
};

} // namespace slirpstack
