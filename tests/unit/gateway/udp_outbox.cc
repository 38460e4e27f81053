#include "gateway/udp_outbox.hh"

#include "scenario/fake_host.hh"

#include <array>
#include <cerrno>
#include <doctest/doctest.h>
#include <string>

namespace slirpstack {

namespace {

const Endpoint HERE{IpAddress::parse("192.0.2.1").value(), 7};
const Endpoint THERE{IpAddress::parse("192.0.2.2").value(), 7};

class NoEvents final : public HostDatagramEvents
{
public:
  void on_datagrams(std::span<const InboundDatagram>) override {}
  void on_error(const HostError&, const Endpoint&, ByteView) override {}
};

class Sender final : public UdpSender
{
public:
  Sender(FakeHost& host, NoEvents& events)
    : socket_(host.open_datagrams(Family::ipv4, std::nullopt, 0, events).socket)
  {}
  HostDatagrams& socket() override { return *socket_; }
  void on_send_failed(const OutboundDatagram& datagram, const HostError&) override
  {
    failed_bytes_ += datagram.payload.size();
  }
  [[nodiscard]] std::size_t failed_bytes() const { return failed_bytes_; }

private:
  std::unique_ptr<HostDatagrams> socket_;
  std::size_t failed_bytes_ = 0;
};

struct World
{
  FakeHost host;
  NoEvents events;
  Sender one{host, events};
  Sender two{host, events};
  UdpOutbox outbox;

  void add(Sender& sender,
           const Endpoint& to,
           const std::string& text,
           std::uint16_t segment_size_bytes = 0,
           std::uint8_t hop_limit = 63)
  {
    const ByteView payload{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
    outbox.add(sender,
               {.to = to,
                .payload = payload,
                .segment_size_bytes = segment_size_bytes,
                .hop_limit = hop_limit});
  }
  const std::vector<FakeDatagrams::Sent>& sent(std::size_t socket)
  {
    return host.datagrams(socket).sent();
  }
};

} // namespace

TEST_CASE("nothing leaves before the flush, then all in one call")
{
  World world;
  world.add(world.one, HERE, "aa");
  world.add(world.one, THERE, "b");
  CHECK(world.host.datagrams(0).calls() == 0);
  world.outbox.flush();
  CHECK(world.host.datagrams(0).calls() == 1);
  CHECK(world.sent(0).size() == 2);
  world.outbox.flush();
  CHECK(world.host.datagrams(0).calls() == 1);
}

TEST_CASE("datagrams of equal size to one remote leave as one, the last may be shorter")
{
  World world;
  for (const char* text : {"aaaa", "bbbb", "cc", "dddd"}) {
    world.add(world.one, HERE, text);
  }
  world.outbox.flush();
  REQUIRE(world.sent(0).size() == 2);
  CHECK(world.sent(0)[0].payload == "aaaabbbbcc");
  CHECK(world.sent(0)[0].segment_size_bytes == 4);
  CHECK(world.sent(0)[1].payload == "dddd");
  CHECK(world.sent(0)[1].segment_size_bytes == 0);
}

TEST_CASE("interleaved flows are sorted out, each in its own order")
{
  World world;
  for (const char* text : {"1111", "2222", "3333"}) {
    world.add(world.one, HERE, text);
    world.add(world.two, HERE, text);
    world.add(world.one, THERE, text);
  }
  world.outbox.flush();
  REQUIRE(world.sent(0).size() == 2);
  CHECK(world.sent(0)[0].to == HERE);
  CHECK(world.sent(0)[0].payload == "111122223333");
  CHECK(world.sent(0)[1].to == THERE);
  CHECK(world.sent(0)[1].payload == "111122223333");
  REQUIRE(world.sent(1).size() == 1);
  CHECK(world.sent(1)[0].payload == "111122223333");
}

TEST_CASE("datagrams that differ in hop limit, or are empty, do not join")
{
  World world;
  world.add(world.one, HERE, "aaaa", 0, 63);
  world.add(world.one, HERE, "bbbb", 0, 5);
  world.add(world.one, HERE, "");
  world.add(world.one, HERE, "");
  world.outbox.flush();
  REQUIRE(world.sent(0).size() == 4);
  CHECK(world.sent(0)[1].hop_limit == 5);
  CHECK(world.sent(0)[3].payload.empty());
}

TEST_CASE("datagrams that might need fragments leave one by one")
{
  World world;
  const std::string large(1473, 'x');
  world.add(world.one, HERE, large);
  world.add(world.one, HERE, large);
  world.outbox.flush();
  CHECK(world.sent(0).size() == 2);
}

TEST_CASE("a run has 64 datagrams at most")
{
  World world;
  for (int i = 0; i < 65; ++i) {
    world.add(world.one, HERE, "x");
  }
  world.outbox.flush();
  REQUIRE(world.sent(0).size() == 2);
  CHECK(world.sent(0)[0].payload.size() == 64);
  CHECK(world.sent(0)[1].payload.size() == 1);
}

TEST_CASE("a large datagram leaves at once, after what came before it")
{
  World world;
  world.add(world.one, HERE, "small");
  world.add(world.one, HERE, std::string(60000, 'x'));
  REQUIRE(world.sent(0).size() == 2);
  CHECK(world.sent(0)[0].payload == "small");
  CHECK(world.sent(0)[1].payload.size() == 60000);
}

TEST_CASE("a guest's super-datagram goes out in steps that the host's kernel takes")
{
  World world;
  world.add(world.one, HERE, std::string(14000, 'x'), 1400);
  REQUIRE(world.sent(0).size() == 1);
  CHECK(world.sent(0)[0].segment_size_bytes == 1400);
  world.add(world.one, THERE, std::string(650, 'x'), 10);
  REQUIRE(world.sent(0).size() == 3);
  CHECK(world.sent(0)[1].payload.size() == 640);
  CHECK(world.sent(0)[2].payload.size() == 10);
  CHECK(world.sent(0)[2].segment_size_bytes == 0);
  world.add(world.two, HERE, std::string(5000, 'x'), 2000);
  REQUIRE(world.sent(1).size() == 3);
  CHECK(world.sent(1)[2].payload.size() == 1000);
}

TEST_CASE("what waits is bounded: a full outbox sends")
{
  World world;
  const std::string text(8000, 'x');
  for (int i = 0; i < 40; ++i) {
    world.add(world.one, HERE, text);
  }
  CHECK(world.sent(0).size() == 32);
  world.outbox.flush();
  CHECK(world.sent(0).size() == 40);
}

TEST_CASE("what could not be sent is told to its sender")
{
  World world;
  world.host.datagrams(0).refuses_to_send(host_error(EAGAIN));
  world.add(world.one, HERE, "lost");
  world.add(world.two, HERE, "sent");
  world.outbox.flush();
  CHECK(world.one.failed_bytes() == 4);
  CHECK(world.two.failed_bytes() == 0);
}

TEST_CASE("a sender that goes takes its datagrams along")
{
  World world;
  world.add(world.one, HERE, "gone");
  world.add(world.two, HERE, "kept");
  world.outbox.forget(world.one);
  world.outbox.flush();
  CHECK(world.sent(0).empty());
  CHECK(world.sent(1).size() == 1);
}

TEST_CASE("what leaves through different interfaces is no run")
{
  World world;
  const std::array<std::uint8_t, 4> bytes{1, 2, 3, 4};
  for (const std::uint32_t interface_index : {3, 3, 4}) {
    world.outbox.add(world.one, {.to = HERE, .payload = bytes, .interface_index = interface_index});
  }
  world.outbox.flush();
  REQUIRE(world.sent(0).size() == 2);
  CHECK(world.sent(0)[0].segment_size_bytes == 4);
  CHECK(world.sent(0)[0].interface_index == 3);
  CHECK(world.sent(0)[1].interface_index == 4);
}

} // namespace slirpstack
