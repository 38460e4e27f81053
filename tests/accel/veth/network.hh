#pragma once

#include "accel/nat_accelerator.hh"
#include "base/file_descriptor.hh"
#include "slirpstack/nat_map.h"
#include "wire/address.hh"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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

  using Adjust = std::function<void(nat_settings&)>;
  /// Attaches the programs and fills the maps, with the kernel allocating. `adjust` has the last
  /// word on the settings.
  [[nodiscard]] std::unique_ptr<NatAccelerator> start(const Adjust& adjust = {}) const;

  [[nodiscard]] NatHook hook() const { return hook_; }

private:
  NatHook hook_;
};

/// Enters new network and mount namespaces, with a /run/netns of its own. Throws std::system_error.
void enter_private_namespaces();
/// Runs a command of iproute2 or the like. Throws std::runtime_error if it fails.
void shell(const std::string& command);
bool succeeds(const std::string& command);

inline const Endpoint SERVER{IpAddress::parse("198.51.100.9").value(), 7777};
inline constexpr MacAddress FIRST_GUEST{{2, 0, 0, 0, 0, 2}};
inline constexpr MacAddress GATEWAY{{2, 0, 0, 0, 1, 1}};
inline constexpr MacAddress WORLD{{2, 0, 0, 0, 1, 2}};
inline constexpr MacAddress EXTERNAL{{2, 0, 0, 0, 1, 3}};
inline const IpAddress EXTERNAL_ADDRESS = IpAddress::parse("203.0.113.1").value();

/// Each test with the programs at XDP and at TC.
#define FOR_BOTH_NETWORKS(network)                                                                 \
  for (const NatHook hook : {NatHook::xdp, NatHook::tc})                                           \
    if (const Network network(hook); true)

/// A UDP or TCP socket in a namespace, bound to `local`, or to any address and `port` if not 0. It
/// waits two seconds at most.
[[nodiscard]] FileDescriptor socket_at(const char* space, int type, const Endpoint& local);
[[nodiscard]] FileDescriptor socket_in(const char* space, int type, std::uint16_t port = 0);
/// A packet socket in a namespace: with SOCK_RAW it sends and gets all frames of eth0, with
/// SOCK_DGRAM it gets all IPv4 packets that arrive, each with its header first.
[[nodiscard]] FileDescriptor packet_socket_in(const char* space, int type);
/// Sends an IPv4 packet as it is; only its header checksum is filled in.
void send_packet(const char* space, const std::vector<std::uint8_t>& packet);
void connect_to(int socket, const Endpoint& remote);
void send_to(int socket, const std::string& data, const Endpoint& remote);
struct Datagram
{
  std::string data;
  Endpoint from;
};
[[nodiscard]] std::optional<Datagram> receive(int socket);
/// Sends over a connected socket; returns the errno that the answer to it was, 0 for data.
[[nodiscard]] int error_after_sending(int socket);
/// How the world sees this guest's socket: its external endpoint. Throws if nothing arrives.
[[nodiscard]] Endpoint external_of(int guest, int server);

} // namespace slirpstack::test
