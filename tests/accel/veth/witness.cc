#include "witness.hh"

#include "base/error.hh"
#include "network.hh"

#include <arpa/inet.h>
#include <array>
#include <cstdint>
#include <linux/if_ether.h>
#include <sys/socket.h>

namespace slirpstack::test {

namespace {

constexpr std::size_t SOURCE_OFFSET = 12;
constexpr std::uint8_t INSIDE = 10; // 10.0.0.0/24

} // namespace

Witness::Witness() : socket_(packet_socket_in("world", SOCK_DGRAM)) {}

bool Witness::saw_inside()
{
  bool saw = false;
  std::array<std::uint8_t, 2048> packet{};
  while (::recv(socket_.get(), packet.data(), packet.size(), MSG_DONTWAIT) > 0) {
    saw = saw || packet[SOURCE_OFFSET] == INSIDE;
  }
  return saw;
}

} // namespace slirpstack::test
