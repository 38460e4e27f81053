#pragma once

#include "base/file_descriptor.hh"
#include "flow/host_network.hh"
#include "host/host_sockets.hh"
#include "host/loop.hh"

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

// Where these tests live: a network namespace of their own, from which nothing leaves.
//
//   lo          127.0.0.0/8, ::1, MTU 1500
//   router (tun) 192.0.2.1/24 and 2001:db8::1/64; behind it 198.51.100.0/24 and 2001:db8:1::/64.
//               The test reads what was sent there and answers as a router would.

namespace slirpstack::test {

/// Moves this process into that namespace, without the tun device. False if it may not.
bool enter_test_namespace();

/// Gives `path` another content, for this process alone; false where that may not be.
bool replace_file(const std::string& path, const std::string& text);

/// Runs `ip ARGUMENTS`; false when it fails.
bool ip(const std::string& arguments);

/// The router behind the tun device; its end of the tun goes away with it.
class Router
{
public:
  Router();
  /// False where /dev/net/tun may not be opened.
  [[nodiscard]] bool there() const { return static_cast<bool>(tun_); }
  /// The next packet to `destination`, waiting at most two seconds; else empty.
  std::vector<std::uint8_t> receive(const IpAddress& destination);
  void send(ByteView packet);

private:
  FileDescriptor tun_;
};

/// A host behind the router, and the router's address towards us.
struct FarHost
{
  IpAddress address;
  IpAddress router;
};

/// One of each family, of the given number: 198.51.100.7 and 2001:db8:1::7. The kernel remembers
/// what routers say of a host.
std::array<FarHost, 2> far_hosts(std::string_view number);

/// Runs the loop until `done()`, at most two seconds. Returns what `done()` said last.
bool run_until(Loop& loop, const std::function<bool()>& done);

/// Runs one short while with nothing expected: 20 milliseconds.
void run_quietly(Loop& loop);

/// A blocking socket of the test itself, bound to `address` (loopback), any port unless given.
class Peer
{
public:
  Peer(int type, const IpAddress& address, std::uint16_t port = 0);
  void listen() const;
  [[nodiscard]] FileDescriptor accept() const;
  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] int get() const { return descriptor_.get(); }
  void close() { descriptor_.reset(); }

private:
  FileDescriptor descriptor_;
  Endpoint endpoint_;
};

inline const IpAddress LOOPBACK = IpAddress::ipv4(0x7f000001);
inline const IpAddress LOOPBACK6 = *IpAddress::parse("::1");

} // namespace slirpstack::test
