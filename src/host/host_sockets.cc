#include "host/host_sockets.hh"

#include "base/error.hh"
#include "host/ping_socket.hh"
#include "host/tcp_socket.hh"
#include "host/udp_socket.hh"

#include <sys/resource.h>

namespace slirpstack {

HostSockets::HostSockets(Loop& loop, const Options& options) : options_(options), sockets_(loop) {}

Opened<HostStream> HostSockets::connect(const Endpoint& to,
                                        const StreamOptions& options,
                                        HostStreamEvents& events)
{
  return TcpSocket::connect(
    sockets_, SocketAddress(to, scopes_), options, options_.tcp_idle, events);
}

Opened<HostDatagrams> HostSockets::open_datagrams(Family family,
                                                  const std::optional<IpAddress>& source,
                                                  std::uint16_t port_hint,
                                                  HostDatagramEvents& events)
{
  return UdpSocket::open({sockets_, slab_, scopes_}, family, source, port_hint, events);
}

Opened<HostPing> HostSockets::open_ping(Family family,
                                        const std::optional<IpAddress>& source,
                                        HostPingEvents& events)
{
  return PingSocket::open(sockets_, scopes_, family, source, events);
}

void HostSockets::set_scope(const IpAddress& address, std::uint32_t interface_index)
{
  scopes_[address] = interface_index;
}

void HostSockets::trim()
{
  slab_.trim();
}

std::uint64_t raise_descriptor_limit()
{
  rlimit limit{};
  system_call("read the limit of open files", ::getrlimit(RLIMIT_NOFILE, &limit));
  const rlimit raised{limit.rlim_max, limit.rlim_max};
  return ::setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

} // namespace slirpstack
