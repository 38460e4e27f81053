#pragma once

#include "base/log.hh"
#include "flow/address_range.hh"
#include "flow/forward_spec.hh"
#include "flow/map_edit.hh"
#include "flow/port_range.hh"
#include "flow/rule.hh"
#include "wire/address.hh"
#include "wire/proxy_protocol.hh"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace slirpstack {

/// Everything that one start of the program was asked to do. Each face turns its own command line
/// into this; main() reads nothing else. A default-constructed Config holds the defaults that the
/// man page names.
struct Config
{
  enum class Action
  {
    attach,
    run,
    translate, ///< be the NAT between two interfaces of the host
    explain,   ///< say what the rules say, and nothing else
    control,   ///< ask a running process
    help,
    version,
  };

  /// Whose manners the program has, by the name that it was started under.
  enum class Manner
  {
    slirpstack,
    slirpnetstack,
    slnat,
    cgnat,
  };

  /// Which outside senders reach a guest's UDP port (RFC 4787 section 5): anyone, any port of an
  /// address that the guest has sent to, or only an address and port that it has sent to.
  enum class UdpFilter
  {
    endpoint,
    address,
    port,
  };

  enum class Latency
  {
    normal,
    /// Spin for `LATENCY_SPIN` after activity before sleeping: burns processor, saves a wake-up.
    low,
  };
  static constexpr std::chrono::microseconds LATENCY_SPIN{30};

  /// The guest of Action::attach: a namespace (`netns` or `pid`), a socket (`fd`), or none of
  /// them, which is the namespace that the program was started in.
  struct Attach
  {
    /// A path if it holds a '/', else a name in /run/netns. Never empty.
    std::optional<std::string> netns;
    /// Those of more guests, which are served like the first.
    std::vector<std::string> further_netns;
    /// A process whose network namespace is served; the program ends with it.
    std::optional<pid_t> pid;
    /// Path of the user namespace to join first; none: the owner of the network namespace.
    std::optional<std::string> userns;
    /// An inherited datagram socket, one Ethernet frame in each datagram.
    std::optional<int> fd;

    bool operator==(const Attach&) const = default;
  };

  /// The guest's link and its addresses.
  struct Network
  {
    std::string interface = "tun0";
    /// Make the interface and set MTU, addresses and routes. Always so in Action::run.
    bool configure = false;
    /// Octets of an IP packet; none: the program's choice, or what the interface has.
    std::optional<unsigned> mtu;
    Prefix cidr{IpAddress::ipv4(0x0a000200), 24};
    Prefix cidr6 = Prefix::parse("fd00::/64").value();
    /// The DNS forwarder's addresses where they are not .3 of the guest's network.
    std::optional<IpAddress> dns_ipv4;
    std::optional<IpAddress> dns_ipv6;

    /// This program as the guest's router: .2 of the network.
    [[nodiscard]] IpAddress gateway(Family family) const;
    /// The DNS forwarder: the one above, or .3 of the network.
    [[nodiscard]] IpAddress dns(Family family) const;
    /// The guest's own address: .100 of the network (::100, as hexadecimal text, for IPv6).
    [[nodiscard]] IpAddress guest(Family family) const;
    /// False if `mtu` is below 1280, the least that IPv6 works over (RFC 8200 section 5).
    [[nodiscard]] bool carries_ipv6() const;

    bool operator==(const Network&) const = default;
  };

  /// Where guest traffic may go.
  struct Egress
  {
    /// Allow destinations on the host and on networks that it is attached to.
    bool enable_host = false;
    /// Refuse all other destinations.
    bool disable_routing = false;
    /// Source addresses of outbound sockets, of the family in the name.
    std::optional<IpAddress> source_ipv4;
    std::optional<IpAddress> source_ipv6;
    /// The same as names, to be looked up at the start; instead of an address.
    std::optional<HostName> source_name_ipv4;
    std::optional<HostName> source_name_ipv6;
    UdpFilter udp_filter = UdpFilter::port;
    /// Of `-allow` and `-deny`, in the order typed.
    std::vector<Rule> allow;
    std::vector<Rule> deny;
    std::optional<std::string> rules_file;

    bool operator==(const Egress&) const = default;
  };

  /// The NAT in the kernel, for privileged hosts; the user-mode stack serves what it leaves.
  struct Acceleration
  {
    enum class Hook
    {
      xdp,
      tc,
      automatic, ///< by the external interface
    };

    /// How many ranges of addresses there may be, external and internal ones each.
    static constexpr std::size_t MAX_RANGES = 8;
    /// How many networks may be exempt.
    static constexpr std::size_t MAX_EXEMPT = 256;

    /// None: the user-mode stack alone.
    std::optional<Hook> hook;
    /// The interface that leads to the world.
    std::string external;
    /// The addresses that guests are seen under; none: the external interface's own.
    std::vector<AddressRange> addresses;
    /// Whose packets are translated; never empty with a hook.
    std::vector<Prefix> internal;
    /// Destinations that are not translated (RFC 6888 REQ-6); IPv4.
    std::vector<Prefix> exempt;
    /// Action::translate: the interface behind which they are.
    std::string internal_interface;
    /// The kernel binds ports by itself; else the user-mode stack decides about each flow.
    bool kernel_allocates = false;
    /// External ports; none: by whether the addresses are the host's own.
    std::optional<PortRange> ports;
    /// Ports that each internal address has for itself (RFC 7422); 0: all are everybody's.
    unsigned block_ports = 0;
    /// Bindings of one internal address (RFC 6888 REQ-4); 0: no limit.
    unsigned quota = 0;
    /// As `Egress::udp_filter`, for TCP.
    UdpFilter tcp_filter = UdpFilter::port;
    /// Room in the maps.
    unsigned max_bindings = 65536;
    bool log_bindings = false;
    /// For how long a port that has ended is nobody's (RFC 6888 REQ-8); may be zero.
    std::chrono::seconds quarantine{120};
    /// Of more such ports the oldest are given out again; 0: there may be any number.
    unsigned quarantine_ports = 0;
    /// A folder in a BPF file system that keeps the maps over a restart.
    std::optional<std::string> pin_folder;

    bool operator==(const Acceleration&) const = default;
  };

  /// How long a flow may be silent. Each is at least one second.
  struct Timeouts
  {
    /// An established connection; RFC 5382 REQ-5 asks for at least 2 h 4 min.
    std::chrono::seconds tcp_established{7440};
    /// A connection that is not yet open; RFC 5382 REQ-5: at least 4 min, as for the next one.
    std::chrono::seconds tcp_opening{240};
    /// A connection that both sides have ended, or that was reset.
    std::chrono::seconds tcp_closing{240};
    /// RFC 4787 REQ-5: at least 2 min, 5 min recommended.
    std::chrono::seconds udp{300};
    /// UDP to port 53: a query is answered soon or never.
    std::chrono::seconds dns{10};
    /// An ICMP echo id; RFC 5508 REQ-2: at least 60 s.
    std::chrono::seconds ping{60};
    /// What comes in keeps UDP alive too (RFC 4787 REQ-6, RFC 7857 section 7).
    bool inbound_refreshes = true;

    bool operator==(const Timeouts&) const = default;
  };

  struct Lifecycle
  {
    /// Gets one line when the guest can use the network, then is closed.
    std::optional<int> ready_fd;
    /// The program ends when this becomes readable or its other end closes.
    std::optional<int> exit_fd;
    bool exit_with_parent = false;

    bool operator==(const Lifecycle&) const = default;
  };

  struct Forwarding
  {
    /// Of `-L` and `-R`, in the order typed.
    std::vector<ForwardSpec> local;
    std::vector<ForwardSpec> remote;
    /// How long a name's addresses are kept for the connections that follow.
    std::chrono::nanoseconds dns_ttl = std::chrono::seconds(5);
    /// Targets of remote TCP forwards are told whose connection it is.
    std::optional<ProxyHeader::Version> proxy_out;

    bool operator==(const Forwarding&) const = default;
  };

  /// Prefix mappings from the start on.
  struct Mapping
  {
    /// Of `-map`, in the order typed.
    std::vector<MapEdit> edits;
    /// A batch, which goes first.
    std::optional<std::string> file;

    bool operator==(const Mapping&) const = default;
  };

  /// A control socket for the prefix map between these prefixes; without external ones it only
  /// shows.
  struct RestrictedSocket
  {
    std::string path;
    std::vector<Prefix> internal;
    std::vector<Prefix> external;
    bool may_open = false;

    bool operator==(const RestrictedSocket&) const = default;
  };

  struct Control
  {
    /// Path of the control socket.
    std::optional<std::string> socket;
    std::vector<RestrictedSocket> restricted;
    /// Where HTTP is answered with metrics.
    std::optional<StreamAddress> metrics;

    bool operator==(const Control&) const = default;
  };

  struct Limits
  {
    /// Flows at one time; none: as many as RLIMIT_NOFILE allows.
    std::optional<std::size_t> max_flows;
    /// Flows to one address at one time; 0: no limit.
    std::size_t max_flows_per_destination = 0;
    /// Ceiling of all buffered payload, bytes.
    std::uint64_t max_memory_bytes = std::uint64_t{256} << 20U;

    bool operator==(const Limits&) const = default;
  };

  struct Output
  {
    LogLevel level = LogLevel::info;
    LogFormat format = LogFormat::text;
    /// Only warnings and errors, whatever `level` says.
    bool quiet = false;
    /// pcapng file of all guest traffic.
    std::optional<std::string> pcap;

    bool operator==(const Output&) const = default;
  };

  Action action = Action::attach;
  Manner manner = Manner::slirpstack;
  [[nodiscard]] bool imitates_slirpnetstack() const { return manner == Manner::slirpnetstack; }
  Attach attach;
  /// Action::run: the command and its arguments; empty: the user's shell. Action::explain and
  /// Action::control: what is asked.
  std::vector<std::string> command;
  Network network;
  Egress egress;
  Acceleration acceleration;
  Forwarding forwarding;
  Mapping mapping;
  Control control;
  Timeouts timeouts;
  Lifecycle lifecycle;
  Limits limits;
  Output output;
  Latency latency = Latency::normal;

  bool operator==(const Config&) const = default;
};

} // namespace slirpstack
