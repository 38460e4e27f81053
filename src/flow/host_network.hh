#pragma once

#include "base/bytes.hh"
#include "wire/address.hh"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <sys/uio.h>
#include <system_error>
#include <variant>

namespace slirpstack {

// The seam between the gateway and the host's sockets. The `host` layer implements it with real
// sockets, scenario tests with an in-memory host. Events are delivered from the event loop, never
// from inside a call on the object itself, and may destroy that object. A destroyed object
// delivers nothing more.

/// An error that the host's network reported for something we sent.
struct HostError
{
  std::error_code code;
  /// The ICMP message behind it, when there was one or when the kernel named the path's MTU.
  struct Icmp
  {
    Family family = Family::ipv4;
    std::uint8_t type = 0;
    std::uint8_t code = 0;
    /// The path MTU of a Fragmentation Needed or Packet Too Big; else 0.
    std::uint32_t mtu_bytes = 0;
    /// Who sent the message; nothing when it is this host itself.
    std::optional<IpAddress> offender;
  };
  std::optional<Icmp> icmp;
};

/// A Unix socket by its path; a leading '@' means the abstract namespace (unix(7)).
struct UnixPath
{
  std::string path;
  auto operator<=>(const UnixPath&) const = default;
};

/// The host's end of a stream.
using StreamAddress = std::variant<Endpoint, UnixPath>;

/// `192.0.2.1:80`, `unix:/run/app.sock`.
[[nodiscard]] std::string to_string(const StreamAddress& address);

/// How much a stream moved. `code` is set only when nothing moved; `would_block` is not an error.
struct Transfer
{
  std::size_t bytes = 0;
  bool would_block = false;
  bool end_of_stream = false;
  std::error_code code;
};

/// A stream that was accepted is connected from the start: it has no events of connecting.
class HostStreamEvents
{
public:
  virtual ~HostStreamEvents() = default;
  virtual void on_connected() = 0;
  virtual void on_connect_failed(const HostError& error) = 0;
  /// There may be something to receive: data, the end of the stream, or an error. `hangup`: the
  /// peer has closed or reset, so a short receive does not mean that the socket is drained.
  virtual void on_readable(bool hangup) = 0;
  virtual void on_writable() = 0;
};

/// A TCP socket of the host, non-blocking and edge-triggered: after `would_block` (or, without a
/// hangup, a short transfer) an event follows when it can go on. Destroying it closes it.
class HostStream
{
public:
  virtual ~HostStream() = default;
  virtual Transfer send(std::span<const iovec> pieces) = 0;
  virtual Transfer receive(std::span<const iovec> pieces) = 0;
  /// What the next receive would give, which still gives it.
  virtual Transfer peek(MutableBytes bytes) = 0;
  virtual void shutdown_send() = 0;
  /// Makes the coming close a reset (RST instead of FIN).
  virtual void reset_on_close() = 0;
  /// Events go there from now on, those of the present turn included.
  virtual void deliver_to(HostStreamEvents& events) = 0;
  /// Our address and port; nothing for a Unix socket. It costs a system call.
  [[nodiscard]] virtual std::optional<Endpoint> local() const = 0;
  /// The far end, likewise; nothing where it has no name.
  [[nodiscard]] virtual std::optional<StreamAddress> remote() const = 0;
};

/// A connection that a client has made to a listener of ours. The stream's events go nowhere
/// before `deliver_to()`, which has to come before the return to the loop.
struct AcceptedStream
{
  std::unique_ptr<HostStream> stream;
  /// The client, and the address and port that it asked for; nothing on a Unix socket.
  std::optional<Endpoint> peer;
  std::optional<Endpoint> local;
  /// A client on a Unix socket that lives in another user namespace than we do, as a guest does.
  bool is_confined = false;
};

class HostListenerEvents
{
public:
  virtual ~HostListenerEvents() = default;
  virtual void on_accepted(AcceptedStream&& accepted) = 0;
};

/// A socket of the host that takes connections. Destroying it closes it; those that it has
/// accepted live on. Out of descriptors it takes none for a while, and the clients wait.
class HostListener
{
public:
  virtual ~HostListener() = default;
  /// With the port that the host chose where 0 was asked for.
  [[nodiscard]] virtual StreamAddress address() const = 0;
};

/// Where to listen.
struct ListenOptions
{
  /// An unspecified address of either family stands for both families. A Unix socket's file is
  /// removed in the end.
  StreamAddress address;
  /// Name of the device through which everything has to come (SO_BINDTODEVICE); empty: any.
  std::string device;
  /// The address need not be configured on the host (IPV6_FREEBIND).
  bool is_foreign = false;
  /// Who may connect to a Unix socket: the permissions of its file.
  unsigned unix_mode = 0600;
};

/// The host's address that a socket is bound to before anything leaves from it.
struct SourceAddress
{
  /// One of the host's own.
  SourceAddress(const IpAddress& own) : address(own) {} // NOLINT: as good as that address
  SourceAddress(const IpAddress& where, bool foreign) : address(where), is_foreign(foreign) {}

  IpAddress address;
  /// It need not be configured on the host (IPV6_FREEBIND); it is enough that the host takes what
  /// is sent there.
  bool is_foreign = false;
  bool operator==(const SourceAddress&) const = default;
};

struct StreamOptions
{
  std::optional<SourceAddress> source; ///< bind here before connecting
  std::uint8_t hop_limit = 0;          ///< 0: the host's default
};

/// A datagram, or several of one size behind one another, to one remote endpoint.
struct OutboundDatagram
{
  Endpoint to;
  ByteView payload;
  /// Size of each datagram inside `payload` but the last, which may be shorter; 0: just one.
  std::uint16_t segment_size_bytes = 0;
  std::uint8_t hop_limit = 0; ///< 0: the host's default
  bool dont_fragment = false;
  /// Which of the host's addresses it leaves from, of the family of `to`; none: the socket's.
  std::optional<IpAddress> source;
  /// The interface through which it leaves, which link-local addresses need (RFC 4007); 0: as the
  /// host routes.
  std::uint32_t interface_index = 0;
};

struct InboundDatagram
{
  Endpoint from;
  /// Borrowed for the call.
  ByteView payload;
  std::uint16_t segment_size_bytes = 0;
  /// Which of the host's addresses it came to; told by sockets that listen.
  std::optional<IpAddress> to;
  /// Where one of both is link-local, the interface through which it came, told by such sockets;
  /// else 0.
  std::uint32_t interface_index = 0;
};

class HostDatagramEvents
{
public:
  virtual ~HostDatagramEvents() = default;
  virtual void on_datagrams(std::span<const InboundDatagram> datagrams) = 0;
  /// A datagram sent earlier to `to` failed; `payload` is as much of it as the host gave back.
  virtual void on_error(const HostError& error, const Endpoint& to, ByteView payload) = 0;
};

/// An unconnected UDP socket of the host. Destroying it closes it.
class HostDatagrams
{
public:
  virtual ~HostDatagrams() = default;
  /// Sends in order, in as few system calls as can be. `on_failed(index, error)` is called for each
  /// datagram that could not be sent (a full socket buffer too: EAGAIN); the rest are sent.
  using SendFailure = void (*)(void* context, std::size_t index, const HostError& error);
  virtual void send(std::span<const OutboundDatagram> datagrams,
                    SendFailure on_failed,
                    void* context)
    = 0;
  /// The local port, host order.
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  /// The address and port that what is sent there leaves from. It costs system calls.
  [[nodiscard]] virtual Endpoint local_towards(const Endpoint& remote) const = 0;
};

class HostPingEvents
{
public:
  virtual ~HostPingEvents() = default;
  virtual void on_reply(const IpAddress& from,
                        std::uint16_t sequence,
                        std::uint8_t hop_limit,
                        ByteView data)
    = 0;
  virtual void on_error(const HostError& error,
                        const IpAddress& to,
                        std::uint16_t sequence,
                        ByteView data)
    = 0;
};

/// A ping socket of the host: sends echo requests under an identifier of its own.
class HostPing
{
public:
  virtual ~HostPing() = default;
  virtual HostError send(const IpAddress& to,
                         std::uint16_t sequence,
                         ByteView data,
                         std::uint8_t hop_limit,
                         bool dont_fragment)
    = 0;
};

template<typename Socket>
struct Opened
{
  std::unique_ptr<Socket> socket; ///< null when `error` is set
  HostError error;
};

class HostNetwork
{
public:
  virtual ~HostNetwork() = default;
  /// Starts to connect; a failure that is known at once (no route, no descriptors) is returned.
  virtual Opened<HostStream> connect(const StreamAddress& to,
                                     const StreamOptions& options,
                                     HostStreamEvents& events)
    = 0;
  virtual Opened<HostListener> listen(const ListenOptions& options, HostListenerEvents& events) = 0;
  /// `port_hint`: the local port to take if it is free (port preservation, RFC 4787 4.2.1), 0: any.
  virtual Opened<HostDatagrams> open_datagrams(Family family,
                                               const std::optional<SourceAddress>& source,
                                               std::uint16_t port_hint,
                                               HostDatagramEvents& events)
    = 0;
  /// A socket for datagrams from anyone, at just this address (not a Unix socket) and family.
  virtual Opened<HostDatagrams> listen_datagrams(const ListenOptions& options,
                                                 HostDatagramEvents& events)
    = 0;
  /// EACCES when the host allows no ping sockets (net.ipv4.ping_group_range) and no raw ones.
  virtual Opened<HostPing> open_ping(Family family,
                                     const std::optional<SourceAddress>& source,
                                     HostPingEvents& events)
    = 0;
};

} // namespace slirpstack
