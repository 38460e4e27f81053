#include "face/native_options.hh"

#include <array>

namespace slirpstack {

namespace {

constexpr std::string_view GUEST = "Guest";
constexpr std::string_view EGRESS = "Egress (the host and its networks are refused by default)";
constexpr std::string_view FORWARDS
  = "Forwards ([SCHEME://]BIND[:TARGET], each [ADDRESS:]PORT; see below)";
constexpr std::string_view MAPPINGS = "IPv6 prefix mapping";
constexpr std::string_view ACCELERATOR = "Accelerator (privileged hosts; see slirpstack(1))";
constexpr std::string_view TIMEOUTS = "Timeouts (90s, 5m, 1h30m; a bare number is seconds)";
constexpr std::string_view LIFECYCLE = "Lifecycle and limits";
constexpr std::string_view OUTPUT = "Output";

constexpr std::array NATIVE_OPTIONS{
  Option{GUEST, "netns", "LIST", "namespaces, each a path or a name", "", '\0', true},
  Option{GUEST, "userns", "PATH", "user namespace to join first (default its owner)"},
  Option{GUEST, "fd", "N", "inherited datagram socket with Ethernet frames"},
  Option{GUEST, "interface", "NAME", "the guest's tap or tun", "tun0"},
  Option{GUEST, "configure", "", "make the tap; set MTU, addresses and routes"},
  Option{GUEST, "mtu", "N", "largest packet (default 1500); IPv6 needs 1280"},
  Option{GUEST, "cidr", "PREFIX", "router .2, DNS .3, guest .100", "10.0.2.0/24"},
  Option{GUEST, "cidr6", "PREFIX", "the same for IPv6, guest ::100", "fd00::/64"},
  Option{.group = GUEST,
         .name = "dns",
         .placeholder = "ADDRESS",
         .summary = "DNS at this address, not at .3; one a family",
         .repeats = true},

  Option{EGRESS, "enable-host", "", "allow the host and its networks"},
  Option{EGRESS, "disable-routing", "", "refuse everything else"},
  Option{EGRESS, "enable-routing", "", "no effect: the internet is open"},
  Option{EGRESS, "allow", "LIST", "[PROTO://]HOST[/LEN][:PORT[-PORT]],...", "", '\0', true},
  Option{EGRESS, "deny", "LIST", "the same; goes before -allow", "", '\0', true},
  Option{EGRESS, "rules", "FILE", "rules, the first that matches counts"},
  Option{EGRESS, "source-ipv4", "HOST", "source of outbound IPv4 sockets"},
  Option{EGRESS, "source-ipv6", "HOST", "source of outbound IPv6 sockets"},
  Option{EGRESS, "udp-filter", "RULE", "UDP from: endpoint, address or port", "port"},

  Option{FORWARDS, "local-forward", "SPEC", "from the host to the guest", "", 'L', true},
  Option{FORWARDS, "remote-forward", "SPEC", "from the guest to the host", "", 'R', true},
  Option{FORWARDS, "dns-ttl", "TIME", "how long a target's name is kept", "5s"},
  Option{FORWARDS, "proxy-out", "VERSION", "v1 or v2: PROXY header for targets of -R"},

  Option{MAPPINGS, "map", "MAPPING", "IF INT/LEN EXT/LEN [neutral] [open]", "", '\0', true},
  Option{MAPPINGS, "map-file", "FILE", "a batch: add IF INTERNAL/LEN EXTERNAL/LEN"},
  Option{.group = MAPPINGS,
         .name = "control-restricted",
         .placeholder = "SPEC",
         .summary = "PATH:INTERNAL/LEN[,...][=EXTERNAL/LEN[,...][,open]]",
         .repeats = true},

  Option{ACCELERATOR, "accel", "HOOK", "NAT in the kernel: xdp, tc or auto"},
  Option{ACCELERATOR, "external", "NAME", "the interface that leads to the world"},
  Option{ACCELERATOR, "external-address", "LIST", "A,A-B,NET/LEN (default that of -external)"},
  Option{ACCELERATOR, "external-ports", "RANGE", "ports that guests are seen under"},
  Option{ACCELERATOR, "internal", "LIST", "networks to translate (default -cidr)", "", '\0', true},
  Option{ACCELERATOR, "no-nat", "LIST", "destinations that are not translated", "", '\0', true},
  Option{ACCELERATOR, "xdp-alloc", "WHO", "user or kernel: who binds ports", "user"},
  Option{ACCELERATOR, "port-block", "N", "ports of an address alone (0: none)", "0"},
  Option{ACCELERATOR, "port-quota", "N", "ports of an address at most (0: all)", "0"},
  Option{ACCELERATOR, "tcp-filter", "RULE", "TCP from: endpoint, address or port", "port"},
  Option{ACCELERATOR, "max-bindings", "N", "room for ports in use", "65536"},
  Option{ACCELERATOR, "quarantine", "TIME", "an ended port is nobody's so long", "2m"},
  Option{ACCELERATOR, "quarantine-ports", "N", "so many at most (0: any number)", "0"},
  Option{ACCELERATOR, "log-bindings", "", "log each port, or block, that is bound"},
  Option{ACCELERATOR, "pin", "DIR", "keep the maps there over a restart"},

  Option{TIMEOUTS, "tcp-timeout", "TIME", "established TCP, silent", "2h4m"},
  Option{TIMEOUTS, "tcp-opening-timeout", "TIME", "TCP that is not open yet", "4m"},
  Option{TIMEOUTS, "tcp-closing-timeout", "TIME", "TCP that both sides have closed", "4m"},
  Option{TIMEOUTS, "udp-timeout", "TIME", "UDP, silent", "5m"},
  Option{TIMEOUTS, "dns-timeout", "TIME", "UDP to port 53", "10s"},
  Option{TIMEOUTS, "ping-timeout", "TIME", "ICMP echo", "60s"},
  Option{TIMEOUTS, "inbound-refresh", "", "=false: what comes in keeps no UDP alive"},

  Option{LIFECYCLE, "ready-fd", "N", "gets one line when the network is ready"},
  Option{LIFECYCLE, "exit-fd", "N", "end when this is readable or closed"},
  Option{LIFECYCLE, "exit-with-parent", "", "end when the parent process ends"},
  Option{LIFECYCLE, "max-flows", "N", "flows at a time (default by RLIMIT_NOFILE)"},
  Option{LIFECYCLE, "max-flows-per-destination", "N", "flows to one address (default no limit)"},
  Option{LIFECYCLE, "maxprocs", "N", "no effect: one processor does it all"},
  Option{LIFECYCLE, "max-memory", "SIZE", "buffered bytes, with K, M or G", "256M"},
  Option{LIFECYCLE, "latency", "MODE", "normal, or low: spin, then sleep", "normal"},

  Option{OUTPUT, "log-level", "LEVEL", "error, warning, info or debug", "info"},
  Option{OUTPUT, "log-format", "FORMAT", "text or json", "text"},
  Option{OUTPUT, "quiet", "", "only warnings and errors"},
  Option{OUTPUT, "control", "PATH", "control socket: the SOCKET of slirpstack ctl"},
  Option{OUTPUT, "metrics", "ADDRESS", "HTTP on tcp://IP:PORT or unix:PATH", "", 'm'},
  Option{OUTPUT, "pcap", "FILE", "write the guest's packets as pcapng"},
  Option{.group = OUTPUT, .name = "help", .placeholder = "", .summary = "this text", .letter = 'h'},
  Option{OUTPUT, "version", "", "the program's version"},
};

} // namespace

std::span<const Option> native_options()
{
  return NATIVE_OPTIONS;
}

} // namespace slirpstack
