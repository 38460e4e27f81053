#include "network.hh"

#include <cerrno>
#include <csignal>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

const Endpoint SERVER{IpAddress::parse("198.51.100.9").value(), 7777};
const IpAddress EXTERNAL = IpAddress::parse("203.0.113.1").value();

/// How the world sees this socket: its external endpoint.
Endpoint external_of(int guest, int server)
{
  send_to(guest, "who am I?", SERVER);
  const auto seen = receive(server);
  REQUIRE(seen);
  return seen->from;
}

/// Each test with the programs at XDP and at TC.
#define FOR_BOTH_NETWORKS(network)                                                                 \
  for (const NatHook hook : {NatHook::xdp, NatHook::tc})                                           \
    if (const Network network(hook); true)

} // namespace

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
      CHECK(question->from.address == EXTERNAL);
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

TEST_CASE("a guest beyond its quota gets an error, and nothing of it gets out")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start(1);
    const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
    const FileDescriptor within = socket_in("first", SOCK_DGRAM);
    external_of(within.get(), server.get());
    const FileDescriptor beyond = socket_in("first", SOCK_DGRAM);
    connect_to(beyond.get(), SERVER);
    REQUIRE(::send(beyond.get(), "x", 1, 0) == 1);
    CHECK_FALSE(receive(beyond.get()));
    CHECK(errno == EHOSTUNREACH);
    send_to(within.get(), "still here", SERVER);
    CHECK(receive(server.get())->data == "still here");
  }
}

TEST_CASE("after SIGKILL the programs are gone, and nothing passes")
{
  FOR_BOTH_NETWORKS(network)
  {
    const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
    const FileDescriptor guest = socket_in("first", SOCK_DGRAM);
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      const auto nat = network.start();
      if (nat && ::write(ready[1], "1", 1) == 1) {
        ::pause();
      }
      ::_exit(1);
    }
    char byte = 0;
    REQUIRE(::read(ready[0], &byte, 1) == 1);
    external_of(guest.get(), server.get());
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(ready[0]);
    ::close(ready[1]);
    send_to(guest.get(), "leak", SERVER);
    CHECK_FALSE(receive(server.get()));
    CHECK_FALSE(succeeds("ip link show guest1 | grep -q xdp"));
    CHECK(network.start()); // no program of the dead one is in the way
  }
}
