#pragma once

#include "accel/nat_accelerator.hh"
#include "base/file_descriptor.hh"
#include "wire/address.hh"

#include <memory>
#include <optional>
#include <string>

namespace slirpstack::test {

/// A network of our own, in namespaces that nobody else sees:
///
///     first  10.0.0.2 ─── guest1 ┐
///                                ├ the test's namespace, with the NAT ─ external ─── world
///     second 10.0.0.3 ─── guest2 ┘                            203.0.113.1    198.51.100.9
///
/// The test's namespace has no address and forwards nothing: what arrives, the NAT has carried.
class Network
{
public:
  /// Makes the links; the calling process must be in namespaces of its own. Nothing is attached.
  explicit Network(NatHook hook);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  /// Attaches the programs and fills the maps, with the kernel allocating.
  [[nodiscard]] std::unique_ptr<NatAccelerator> start(std::uint32_t quota = 0) const;

private:
  NatHook hook_;
};

/// Enters new network and mount namespaces, with a /run/netns of its own. Throws std::system_error.
void enter_private_namespaces();
/// Runs a command of iproute2 or the like. Throws std::runtime_error if it fails.
void shell(const std::string& command);
bool succeeds(const std::string& command);

/// A UDP or TCP socket in a namespace, bound to `port` if not 0. It waits two seconds at most.
[[nodiscard]] FileDescriptor socket_in(const char* space, int type, std::uint16_t port = 0);
void connect_to(int socket, const Endpoint& remote);
void send_to(int socket, const std::string& data, const Endpoint& remote);
struct Datagram
{
  std::string data;
  Endpoint from;
};
[[nodiscard]] std::optional<Datagram> receive(int socket);

} // namespace slirpstack::test
