#include "nat_view.hh"
#include "network.hh"
#include "wire/ip.hh"

#include <doctest/doctest.h>
#include <sys/socket.h>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

const Endpoint SERVICE{IpAddress::parse("10.0.0.2").value(), 80};
constexpr std::uint16_t FORWARDED = 8080;
constexpr std::uint16_t OTHER_PORT = 7778;

} // namespace

TEST_CASE("a forwarded UDP port reaches the guest, whose answer comes from there")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat
      = network.start([](nat_settings& settings) { settings.filter_udp = NAT_FILTER_PORT; });
    add_forward(*nat, PROTOCOL_UDP, FORWARDED, SERVICE);
    const FileDescriptor service = socket_in("first", SOCK_DGRAM, SERVICE.port);
    const FileDescriptor client = socket_in("world", SOCK_DGRAM, SERVER.port);
    send_to(client.get(), "question", {EXTERNAL_ADDRESS, FORWARDED});
    const auto question = receive(service.get());
    REQUIRE(question);
    CHECK(question->from == SERVER);
    send_to(service.get(), "answer", question->from);
    const auto answer = receive(client.get());
    REQUIRE(answer);
    CHECK(answer->from == Endpoint{EXTERNAL_ADDRESS, FORWARDED});
  }
}

TEST_CASE("a forwarded TCP port takes connections of the world, and of another guest")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat
      = network.start([](nat_settings& settings) { settings.filter_tcp = NAT_FILTER_PORT; });
    add_forward(*nat, PROTOCOL_TCP, FORWARDED, SERVICE);
    const FileDescriptor service = socket_in("first", SOCK_STREAM, SERVICE.port);
    REQUIRE(::listen(service.get(), 2) == 0);
    for (const char* space : {"world", "second"}) {
      CAPTURE(space);
      const FileDescriptor client = socket_in(space, SOCK_STREAM);
      connect_to(client.get(), {EXTERNAL_ADDRESS, FORWARDED});
      const FileDescriptor peer(::accept(service.get(), nullptr, nullptr));
      REQUIRE(peer);
      char byte = 'x';
      CHECK(::send(client.get(), &byte, 1, 0) == 1);
      CHECK(::recv(peer.get(), &byte, 1, 0) == 1);
      CHECK(::send(peer.get(), &byte, 1, 0) == 1);
      CHECK(::recv(client.get(), &byte, 1, 0) == 1);
    }
  }
}

TEST_CASE("a filter lets in the ports, or the addresses, that the guest has sent to")
{
  for (const nat_filter filter : {NAT_FILTER_ADDRESS, NAT_FILTER_PORT}) {
    FOR_BOTH_NETWORKS(network)
    {
      CAPTURE(filter);
      shell("ip -n world address add 198.51.100.10/24 dev eth0");
      const auto nat = network.start([&](nat_settings& settings) { settings.filter_udp = filter; });
      const FileDescriptor server = socket_at("world", SOCK_DGRAM, SERVER);
      const FileDescriptor same_address
        = socket_at("world", SOCK_DGRAM, {SERVER.address, OTHER_PORT});
      const FileDescriptor stranger
        = socket_at("world", SOCK_DGRAM, {IpAddress::parse("198.51.100.10").value(), SERVER.port});
      const FileDescriptor guest = socket_in("first", SOCK_DGRAM);
      const Endpoint external = external_of(guest.get(), server.get());
      send_to(stranger.get(), "stranger", external);
      send_to(same_address.get(), "same address", external);
      send_to(server.get(), "same port", external);
      const bool is_open = filter == NAT_FILTER_ADDRESS;
      auto heard = receive(guest.get());
      REQUIRE(heard);
      CHECK(heard->data == (is_open ? "same address" : "same port"));
      if (is_open) {
        heard = receive(guest.get());
        REQUIRE(heard);
        CHECK(heard->data == "same port");
      }
      CHECK(counted(*nat, NAT_DROP_FILTERED) == (is_open ? 1 : 2));
    }
  }
}
