#include "shared_ports.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "wire/protocol_name.hh"

#include <algorithm>
#include <fmt/format.h>
#include <fstream>
#include <set>

namespace slirpstack {

namespace {

/// Where the host's own sockets get their ports from.
PortRange host_ports()
{
  unsigned first = 32768;
  unsigned last = 60999;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> first >> last;
  return {static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last)};
}

/// `tcp 8080, udp 51820`; a few of them, if there are many.
std::string listening_in(const PortRange& ports, const std::vector<IpAddress>& own)
{
  constexpr std::size_t MOST = 8;
  std::set<std::string> named;
  for (const ListeningPort& each : read_listening_ports()) {
    const IpAddress& address = each.address.address;
    if (ports.contains(each.address.port)
        && (address.is_unspecified() || std::ranges::find(own, address) != own.end())) {
      named.insert(fmt::format("{} {}", protocol_name(each.protocol), each.address.port));
    }
  }
  std::string text;
  std::size_t told = 0;
  for (const std::string& each : named) {
    if (told++ == MOST) {
      return fmt::format("{} and {} more", text, named.size() - MOST);
    }
    text += fmt::format("{}{}", text.empty() ? "" : ", ", each);
  }
  return text.empty() ? "nothing" : text;
}

} // namespace

PortRange shared_ports(const std::string& options)
{
  constexpr std::uint16_t ENOUGH = 1024;
  const PortRange host = host_ports();
  if (ALL_PORTS.last - host.last >= ENOUGH) {
    return {static_cast<std::uint16_t>(host.last + 1), ALL_PORTS.last};
  }
  if (host.first >= ALL_PORTS.first + ENOUGH) {
    return {ALL_PORTS.first, static_cast<std::uint16_t>(host.first - 1)};
  }
  throw UsageError(fmt::format("{} needed: the external address is the host's own, which takes "
                               "ports {} (net.ipv4.ip_local_port_range) for itself",
                               options,
                               host.to_string()));
}

void warn_of_shared_ports(const PortRange& ports, const std::vector<IpAddress>& own)
{
  const PortRange host = host_ports();
  const bool has_connections = host.first <= ports.last && ports.first <= host.last;
  const std::string listening = listening_in(ports, own);
  if (has_connections || listening != "nothing") {
    log(LogLevel::warning,
        "external ports are the host's own too: what comes there is a guest's",
        {{"ports", ports.to_string()},
         {"listening", listening},
         {"connections", has_connections ? host.to_string() : "none"}});
  }
}

} // namespace slirpstack
