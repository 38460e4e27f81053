#include "network.hh"

#include <cerrno>
#include <doctest/doctest.h>
#include <sys/socket.h>

using namespace slirpstack;
using namespace slirpstack::test;

TEST_CASE("a datagram reaches the world under the external address, and its answer the guest")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start();
    const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
    const FileDescriptor guest = socket_in("first", SOCK_DGRAM);
    for (const std::size_t length : {1U, 1472U, 4000U}) { // the last one in fragments
      CAPTURE(length);
      const std::string data(length, 'x');
      send_to(guest.get(), data, SERVER);
      const auto question = receive(server.get());
      REQUIRE(question);
      CHECK(question->data == data);
      CHECK(question->from.address == EXTERNAL_ADDRESS);
      send_to(server.get(), data, question->from);
      const auto answer = receive(guest.get());
      REQUIRE(answer);
      CHECK(answer->data == data);
      CHECK(answer->from == SERVER);
    }
  }
}

TEST_CASE("a TCP connection carries data both ways and ends")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start();
    const FileDescriptor server = socket_in("world", SOCK_STREAM, SERVER.port);
    REQUIRE(::listen(server.get(), 1) == 0);
    const FileDescriptor guest = socket_in("first", SOCK_STREAM);
    connect_to(guest.get(), SERVER);
    const FileDescriptor peer(::accept(server.get(), nullptr, nullptr));
    REQUIRE(peer);
    const std::string data(60000, 'x');
    REQUIRE(::send(guest.get(), data.data(), data.size(), 0) == 60000);
    std::string got(data.size(), '\0');
    CHECK(::recv(peer.get(), got.data(), got.size(), MSG_WAITALL) == 60000);
    CHECK(::send(peer.get(), "ok", 2, 0) == 2);
    CHECK(::recv(guest.get(), got.data(), 2, MSG_WAITALL) == 2);
    ::shutdown(guest.get(), SHUT_WR);
    CHECK(::recv(peer.get(), got.data(), 1, 0) == 0);
  }
}

TEST_CASE("two guests meet at their external endpoints")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start();
    const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
    const FileDescriptor first = socket_in("first", SOCK_DGRAM);
    const FileDescriptor second = socket_in("second", SOCK_DGRAM);
    const Endpoint first_outside = external_of(first.get(), server.get());
    const Endpoint second_outside = external_of(second.get(), server.get());
    send_to(first.get(), "hello", second_outside);
    const auto heard = receive(second.get());
    REQUIRE(heard);
    CHECK(heard->from == first_outside);
    send_to(second.get(), "hello yourself", heard->from);
    const auto answered = receive(first.get());
    REQUIRE(answered);
    CHECK(answered->from == second_outside);
  }
}

TEST_CASE("ping works, and a closed port is told")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start();
    CHECK(succeeds("ip netns exec first ping -q -c 1 -W 2 198.51.100.9 >/dev/null"));
    const FileDescriptor guest = socket_in("first", SOCK_DGRAM);
    connect_to(guest.get(), {SERVER.address, 9});
    REQUIRE(::send(guest.get(), "x", 1, 0) == 1);
    CHECK_FALSE(receive(guest.get()));
    CHECK(errno == ECONNREFUSED);
  }
}
