#include "host/host_sockets.hh"

#include "base/error.hh"
#include "host/ping_socket.hh"
#include "host/stream_listener.hh"
#include "host/stream_socket.hh"
#include "host/udp_socket.hh"

#include <sys/resource.h>

namespace slirpstack {

HostSockets::HostSockets(Loop& loop, const Options& options)
  : loop_(loop), options_(options), sockets_(loop)
{}

Opened<HostStream> HostSockets::connect(const StreamAddress& to,
                                        const StreamOptions& options,
                                        HostStreamEvents& events)
{
  if (const auto* path = std::get_if<UnixPath>(&to)) {
    return StreamSocket::connect(sockets_, *path, events);
  }
  const SocketAddress address(std::get<Endpoint>(to), scopes_);
  return StreamSocket::connect(sockets_, address, options, options_.tcp_idle, events);
}

Opened<HostListener> HostSockets::listen(const ListenOptions& options, HostListenerEvents& events)
{
  return StreamListener::open(loop_, sockets_, options_.tcp_idle, options, events);
}

Opened<HostDatagrams> HostSockets::listen_datagrams(const ListenOptions& options,
                                                    HostDatagramEvents& events)
{
  return UdpSocket::listen({sockets_, slab_, scopes_}, options, events);
}

Opened<HostDatagrams> HostSockets::open_datagrams(Family family,
                                                  const std::optional<SourceAddress>& source,
                                                  std::uint16_t port_hint,
                                                  HostDatagramEvents& events)
{
  return UdpSocket::open({sockets_, slab_, scopes_}, family, source, port_hint, events);
}

Opened<HostPing> HostSockets::open_ping(Family family,
                                        const std::optional<SourceAddress>& source,
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
