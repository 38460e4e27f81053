#pragma once

#include "flow/port_range.hh"
#include "flow/target.hh"

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace slirpstack {

enum class ForwardDirection : std::uint8_t
{
  local,  ///< `-L`: from the host to the guest
  remote, ///< `-R`: from the guest to the host
};

/// How the bytes of a forward are carried.
enum class ForwardScheme : std::uint8_t
{
  tcp,
  udp,
  udprpc, ///< UDP of one question and one answer: the first reply ends the flow
  tcppp,  ///< TCP with the PROXY protocol's header before the data
  udpspp, ///< UDP with the Simple Proxy Protocol's header before each datagram
};

[[nodiscard]] std::string_view scheme_name(ForwardScheme scheme);
/// PROTOCOL_TCP or PROTOCOL_UDP.
[[nodiscard]] std::uint8_t scheme_protocol(ForwardScheme scheme);

/// A forward as it was typed (`-L`, `-R`), before its names are looked up and its gaps filled.
///
///     [SCHEME://]BIND[:TARGET][,TARGET…]
///
///     BIND      PORTS | ADDRESS:PORTS | unix:PATH
///     TARGET    ADDRESS:PORTS | unix:PATH | PORTS
///     PORTS     PORT[-PORT]
///     ADDRESS   [IP | NAME | QUERY@srv-SERVER[:PORT]][%DEVICE]
///
/// It is split at colons outside of brackets; a field in brackets stands without its outermost
/// pair. Of one part it is the port to bind; of two, address and port to bind; of three, port to
/// bind and target; of four, all. Two parts of which the first is a port or a range of ports are
/// ports to bind and target's ports. Any field may be empty. A side that is a Unix socket is one
/// part; its path goes in brackets if there is a colon in it: [unix:/a:b].
struct ForwardSpec
{
  /// Nobody said, an address, or a name.
  using Host = std::variant<std::monostate, IpAddress, HostName>;

  /// An address and ports. The ports of a target are as many as those that are bound, or one
  /// for all of them if that is 0.
  struct Place
  {
    Host host;
    /// Name of the device (`%eth0`); empty: any. Only where the host is bound to.
    std::string device;
    /// Nothing: as the ports that are bound.
    std::optional<PortRange> ports;
    bool operator==(const Place&) const = default;
  };
  using Side = std::variant<Place, UnixPath>;

  ForwardDirection direction = ForwardDirection::local;
  ForwardScheme scheme = ForwardScheme::tcp;
  Side bind;
  std::vector<Side> targets; ///< at least one; several are tried in order
  /// Set by with_defaults(): no target has named a host.
  bool has_default_targets = false;
  std::string text; ///< as typed

  /// The most targets: each is spelled out for each port of a range.
  static constexpr std::size_t MAX_TARGETS = 64;
  /// What is bound where nobody has said a port: one of the host's choice.
  static constexpr PortRange ANY_PORT{0, 0};

  /// Throws UsageError with the offending text: one line, without the option's name.
  static ForwardSpec parse(ForwardDirection direction, std::string_view text);

  /// The ports that are bound; a Unix socket counts as one, without a number.
  [[nodiscard]] PortRange bound_ports() const;

  bool operator==(const ForwardSpec&) const = default;
};

/// The addresses that stand for a field which nobody filled, in either family.
struct ForwardDefaults
{
  IpAddress guest_ipv4;
  IpAddress guest_ipv6;
  IpAddress gateway_ipv4;
  IpAddress gateway_ipv6;
};

/// The same spec with every empty host filled in: for `-L` the host's loopback is bound and the
/// guest is the target, for `-R` the gateway is bound and the host's loopback the target; of IPv6
/// if any side of the spec is an IPv6 literal, else of IPv4. What is bound to a device alone is
/// bound to any address. A target without ports gets those of the bind side.
[[nodiscard]] ForwardSpec with_defaults(ForwardSpec spec, const ForwardDefaults& defaults);

} // namespace slirpstack
