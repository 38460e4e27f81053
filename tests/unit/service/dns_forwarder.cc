#include "service/dns_forwarder.hh"

#include "scenario/fake_host.hh"

#include <cerrno>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace slirpstack {

namespace {

using namespace std::chrono_literals;

Endpoint endpoint(const char* address, std::uint16_t port)
{
  return {IpAddress::parse(address).value(), port};
}

const Endpoint GUEST = endpoint("10.0.2.100", 4000);
const Endpoint SERVER = endpoint("10.0.2.3", 53);
const Endpoint FIRST = endpoint("192.0.2.53", 53);
const Endpoint SECOND = endpoint("2001:db8::53", 53);

constexpr unsigned SERVFAIL = 2;
constexpr unsigned REFUSED = 5;

/// A question for the address of `label`.
std::string question(const std::string& label)
{
  return static_cast<char>(label.size()) + label + std::string("\0\0\1\0\1", 5);
}

std::string message(std::uint16_t id, unsigned flags, const std::string& body)
{
  const bool has_question = !body.empty();
  std::string text{static_cast<char>(id >> 8U),
                   static_cast<char>(id),
                   static_cast<char>(flags >> 8U),
                   static_cast<char>(flags),
                   '\0',
                   has_question ? '\1' : '\0'};
  return text + std::string(6, '\0') + body;
}

std::string query(std::uint16_t id, const std::string& label = "example")
{
  return message(id, DNS_FLAG_RECURSION_DESIRED, question(label));
}

std::uint16_t id_of(const std::string& text)
{
  return Reader({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}).u16();
}

unsigned rcode_of(const std::string& text)
{
  return static_cast<unsigned>(text.at(3)) & 0xfU;
}

struct Answered
{
  Endpoint guest;
  Endpoint server;
  std::string message;
};

struct World
{
  explicit World(std::vector<Endpoint> list = {FIRST, SECOND},
                 const DnsForwarder::Settings& settings = {})
    : resolvers(std::move(list))
    , dns(
        settings,
        time,
        host,
        drops,
        [this] { return resolvers; },
        [this] { return next_id++; },
        [this](const Endpoint& guest, const Endpoint& server, ByteView bytes) {
          answers.push_back({guest, server, {bytes.begin(), bytes.end()}});
        })
  {}

  void guest_asks(const std::string& text, const Endpoint& guest = GUEST)
  {
    dns.on_query(guest, SERVER, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  }
  /// The resolver behind a socket answers what that was asked.
  void answers_from(std::size_t socket, unsigned rcode = 0, const std::string& label = "example")
  {
    FakeDatagrams& asked = host.datagrams(socket);
    const auto& sent = asked.sent().at(0);
    asked.receives(
      sent.to, message(id_of(sent.payload), DNS_FLAG_RESPONSE | rcode, question(label)) + "rest");
  }
  void advance(Duration duration)
  {
    time.now += duration;
    dns.expire();
  }
  Answered take_answer()
  {
    REQUIRE(answers.size() == 1);
    const Answered answer = answers.front();
    answers.clear();
    return answer;
  }

  FakeHost host;
  EventTime time{TimePoint{} + 1h};
  DropCounters drops;
  std::vector<Endpoint> resolvers;
  std::uint16_t next_id = 0x7000;
  std::vector<Answered> answers;
  DnsForwarder dns;
};

} // namespace

TEST_CASE("a query goes to the first resolver under another id, its answer back under the guest's")
{
  World world;
  world.guest_asks(query(1));
  const FakeDatagrams::Sent sent = world.host.datagrams(0).sent().at(0);
  CHECK(sent.to == FIRST);
  CHECK(sent.payload == query(0x7000));
  CHECK(world.host.datagrams(0).port_hint() == 0);
  world.answers_from(0);
  const Answered answer = world.take_answer();
  CHECK(answer.guest == GUEST);
  CHECK(answer.server == SERVER);
  CHECK(answer.message == message(1, DNS_FLAG_RESPONSE, question("example")) + "rest");
  CHECK(world.dns.in_flight() == 0);
  CHECK(world.host.datagrams(0).closed());
  CHECK(world.dns.next_deadline() == NEVER);
}

TEST_CASE("an answer with the wrong id, question or sender is not believed")
{
  World world;
  world.guest_asks(query(1));
  const std::string right = message(0x7000, DNS_FLAG_RESPONSE, question("example"));
  FakeDatagrams& socket = world.host.datagrams(0);
  socket.receives(FIRST, message(0x7001, DNS_FLAG_RESPONSE, question("example")));
  socket.receives(FIRST, message(0x7000, DNS_FLAG_RESPONSE, question("exbmple")));
  socket.receives(FIRST, message(0x7000, 0, question("example")));
  socket.receives(FIRST, message(0x7001, DNS_FLAG_RESPONSE | SERVFAIL, ""));
  socket.receives(FIRST, "");
  socket.receives(endpoint("192.0.2.53", 54), right);
  socket.receives(endpoint("192.0.2.54", 53), right);
  CHECK(world.answers.empty());
  CHECK(world.host.datagram_sockets() == 1);
  socket.receives(FIRST, right);
  CHECK(world.answers.size() == 1);
}

TEST_CASE("an answer behind a forgery in one batch is found")
{
  World world;
  world.guest_asks(query(1));
  world.host.datagrams(0).receives(
    {{FIRST, message(0x7abc, DNS_FLAG_RESPONSE, question("example"))},
     {FIRST, message(0x7000, DNS_FLAG_RESPONSE, question("example"))}});
  CHECK(world.answers.size() == 1);
}

TEST_CASE("of two answers that the kernel handed over as one only one is taken")
{
  World world;
  world.guest_asks(query(1));
  const std::string right = message(0x7000, DNS_FLAG_RESPONSE, question("example"));
  const auto size = static_cast<std::uint16_t>(right.size());
  world.host.datagrams(0).receives({{FIRST, std::string(size, 'x') + right + right, size}});
  CHECK(world.take_answer().message.size() == size);
}

TEST_CASE("a silent resolver is given two seconds, then the next is asked")
{
  World world;
  world.guest_asks(query(1));
  CHECK(world.dns.next_deadline() == world.time.now + 2s);
  world.advance(2s);
  REQUIRE(world.host.datagram_sockets() == 2);
  CHECK(world.host.datagrams(1).sent().at(0).to == SECOND);
  CHECK(world.host.datagrams(1).family() == Family::ipv6);
  CHECK(id_of(world.host.datagrams(1).sent().at(0).payload) == 0x7001);
  world.answers_from(1);
  CHECK(world.take_answer().guest == GUEST);
  CHECK(world.host.datagrams(0).closed());
}

TEST_CASE("a late answer of the first resolver is taken")
{
  World world;
  world.guest_asks(query(1));
  world.advance(2s);
  world.answers_from(0);
  CHECK(world.take_answer().guest == GUEST);
  CHECK(world.dns.in_flight() == 0);
}

TEST_CASE("a resolver that is not there costs no wait")
{
  World world;
  world.guest_asks(query(1));
  world.host.datagrams(0).fails(host_error(ECONNREFUSED), FIRST, "");
  REQUIRE(world.host.datagram_sockets() == 2);
  CHECK(world.host.datagrams(0).closed());
  world.answers_from(1);
  CHECK(world.take_answer().guest == GUEST);
}

TEST_CASE("a resolver that fails or refuses is asked no more, the next one is")
{
  for (const unsigned rcode : {SERVFAIL, REFUSED}) {
    CAPTURE(rcode);
    World world;
    world.guest_asks(query(1));
    world.answers_from(0, rcode);
    CHECK(world.answers.empty());
    REQUIRE(world.host.datagram_sockets() == 2);
    world.answers_from(1);
    CHECK(rcode_of(world.take_answer().message) == 0);
  }
}

TEST_CASE("when all fail the guest gets the last one's answer at once")
{
  World world;
  world.guest_asks(query(1));
  world.answers_from(0, SERVFAIL);
  world.answers_from(1, REFUSED);
  const Answered answer = world.take_answer();
  CHECK(rcode_of(answer.message) == REFUSED);
  CHECK(id_of(answer.message) == 1);
  CHECK(answer.message.ends_with("rest"));
}

TEST_CASE("a refusal without the question counts as one")
{
  World world({FIRST});
  world.guest_asks(query(1));
  world.host.datagrams(0).receives(FIRST, message(0x7000, DNS_FLAG_RESPONSE | REFUSED, ""));
  CHECK(rcode_of(world.take_answer().message) == SERVFAIL);
}

TEST_CASE("when all are silent SERVFAIL comes after eight seconds, with four attempts made")
{
  World world;
  world.guest_asks(query(1));
  for (int i = 0; i < 3; ++i) {
    world.advance(2s);
  }
  CHECK(world.answers.empty());
  CHECK(world.host.datagram_sockets() == 4);
  CHECK(world.host.datagrams(2).sent().at(0).to == FIRST);
  world.advance(2s);
  const Answered answer = world.take_answer();
  CHECK(rcode_of(answer.message) == SERVFAIL);
  CHECK(id_of(answer.message) == 1);
  CHECK(answer.message.ends_with(question("example")));
  CHECK(world.host.datagrams(3).closed());
}

TEST_CASE("without resolvers, or when none can be asked, SERVFAIL comes at once")
{
  World none(std::vector<Endpoint>{});
  none.guest_asks(query(1));
  CHECK(rcode_of(none.take_answer().message) == SERVFAIL);
  World broken;
  broken.host.refuses_to_open(host_error(EMFILE));
  broken.guest_asks(query(1));
  CHECK(rcode_of(broken.take_answer().message) == SERVFAIL);
  CHECK(broken.dns.in_flight() == 0);
}

TEST_CASE("the resolver that answered last is asked first for half a minute")
{
  World world;
  world.guest_asks(query(1));
  world.advance(2s);
  world.answers_from(1);
  world.advance(29s);
  world.guest_asks(query(2));
  CHECK(world.host.datagrams(2).sent().at(0).to == SECOND);
  world.advance(1s);
  world.guest_asks(query(3));
  CHECK(world.host.datagrams(3).sent().at(0).to == FIRST);
}

TEST_CASE("a preferred resolver that falls silent is preferred no more")
{
  World world;
  world.guest_asks(query(1));
  world.advance(2s);
  world.answers_from(1);
  world.guest_asks(query(2));
  world.advance(2s);
  world.guest_asks(query(3));
  CHECK(world.host.datagrams(2).sent().at(0).to == SECOND);
  CHECK(world.host.datagrams(4).sent().at(0).to == FIRST);
}

TEST_CASE("a change of the host's resolvers counts from the next query on")
{
  World world;
  world.guest_asks(query(1));
  world.answers_from(0);
  world.resolvers = {SECOND};
  world.guest_asks(query(2));
  CHECK(world.host.datagrams(1).sent().at(0).to == SECOND);
}

TEST_CASE("a retransmitted query joins the one that is being asked")
{
  World world;
  world.guest_asks(query(1));
  world.guest_asks(query(1));
  CHECK(world.host.datagram_sockets() == 1);
  world.guest_asks(query(2));
  world.guest_asks(query(1, "another"));
  world.guest_asks(query(1), {GUEST.address, 4001});
  CHECK(world.host.datagram_sockets() == 4);
}

TEST_CASE("over the limit SERVFAIL answers at once and the loss is counted")
{
  DnsForwarder::Settings settings;
  settings.max_in_flight = 2;
  World world({FIRST}, settings);
  world.guest_asks(query(1));
  world.guest_asks(query(2));
  world.guest_asks(query(3));
  const Answered answer = world.take_answer();
  CHECK(id_of(answer.message) == 3);
  CHECK(rcode_of(answer.message) == SERVFAIL);
  CHECK(world.drops.of(Drop::too_many_flows) == 1);
}

TEST_CASE("a malformed query is counted, and answered with FORMERR if it has a header")
{
  World world;
  world.guest_asks("short");
  CHECK(world.answers.empty());
  CHECK(world.drops.of(Drop::truncated) == 1);
  world.guest_asks(message(9, DNS_FLAG_RECURSION_DESIRED, "").substr(0, 12));
  const Answered answer = world.take_answer();
  CHECK(answer.message.size() == 12);
  CHECK(id_of(answer.message) == 9);
  CHECK(rcode_of(answer.message) == 1);
}

TEST_CASE("a response instead of a query is never answered")
{
  World world;
  world.guest_asks(message(9, DNS_FLAG_RESPONSE, question("example")));
  CHECK(world.answers.empty());
  CHECK(world.host.datagram_sockets() == 0);
  CHECK(world.drops.of(Drop::unexpected_type) == 1);
}

} // namespace slirpstack
