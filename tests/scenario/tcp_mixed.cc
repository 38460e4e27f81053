// Whatever guest, host, names, rules and time do to a few connections at once, between two batches
// too: what one has ended another must not be given, and nothing is left in the end.

#include "scenario/packets.hh"
#include "scenario/tcp_guest.hh"

#include <algorithm>
#include <cerrno>
#include <doctest/doctest.h>
#include <random>

namespace slirpstack {

namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t STEPS = 4000;
constexpr std::size_t MOST_FLOWS = 200;

const Endpoint FORWARDED = endpoint("192.0.2.9", 80);

ForwardPlan forwards()
{
  ForwardPlan plan;
  plan.remote.push_back(
    {.scheme = ForwardScheme::tcp,
     .match = FORWARDED,
     .targets = {NamedTarget{HostName{.name = "a.example", .server = std::nullopt}, 80},
                 endpoint("198.51.100.1", 81)}});
  return plan;
}

ForwardPlan service()
{
  ForwardPlan plan;
  plan.local.push_back({.scheme = ForwardScheme::tcp,
                        .listen = {.address = endpoint("203.0.113.1", 8080), .device = {}},
                        .targets = {endpoint("10.0.2.100", 80), endpoint("10.0.2.100", 81)}});
  return plan;
}

Gateway::Settings settings()
{
  Gateway::Settings settings = World::settings();
  settings.max_flows = MOST_FLOWS;
  return settings;
}

/// A guest that does anything, and a host that does as well.
class Disorder
{
public:
  explicit Disorder(std::uint32_t seed) : random_(seed), world_(settings())
  {
    world_.gateway.forwards().add(forwards());
    world_.gateway.forwards().add(service());
  }

  void step()
  {
    switch (below(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        guest_acts();
        break;
      case 5:
      case 6:
      case 7:
        host_acts();
        break;
      case 8:
        world_.host.listener(0).accepts(endpoint("198.51.100.7", port(50000)));
        break;
      case 9:
        below(2) == 0
          ? world_.names.answers_next({.addresses = {endpoint("198.51.100.2", 0).address}})
          : world_.names.answers_next({.error = "no such host"});
        break;
      case 10:
        reload();
        break;
      default:
        below(8) == 0 ? static_cast<void>(world_.advance(std::chrono::seconds(below(300))))
                      : world_.settle();
        break;
    }
    CHECK(world_.gateway.flows().size() <= MOST_FLOWS);
  }

  /// All is over once everybody is silent for long enough.
  void ends()
  {
    world_.gateway.set_rules(RuleSet(parse_rules("drop any"), world_.now()), nullptr);
    world_.advance(4h); // no rule ends a forward's connections, but the guest is dead to them
    CHECK(world_.gateway.flows().size() == 0);
    for (std::size_t i = 0; i < world_.host.streams(); ++i) {
      CHECK(world_.host.stream(i).closed());
    }
  }

private:
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }
  std::uint16_t port(std::uint16_t first) { return static_cast<std::uint16_t>(first + below(3)); }

  void guest_acts()
  {
    const bool is_server = below(3) == 0;
    const Endpoint here = endpoint("10.0.2.100", is_server ? port(80) : port(40000));
    const Endpoint there = is_server       ? endpoint("198.51.100.7", port(50000))
                           : below(3) == 0 ? FORWARDED
                           : below(2) == 0 ? endpoint("10.0.2.3", 53)
                                           : endpoint("192.0.2.1", 80);
    TcpGuest guest(world_, here, there);
    constexpr std::uint8_t FLAGS[] = {TCP_FLAG_SYN,
                                      TCP_FLAG_SYN,
                                      TCP_FLAG_RST,
                                      TCP_FLAG_RST | TCP_FLAG_ACK,
                                      TCP_FLAG_ACK,
                                      TCP_FLAG_SYN | TCP_FLAG_ACK,
                                      TCP_FLAG_ACK | TCP_FLAG_FIN};
    Segment segment{.flags = FLAGS[below(std::size(FLAGS))]};
    if ((segment.flags & TCP_FLAG_SYN) == 0) {
      guest.next += 1 + below(3);
      segment.data = std::string(below(4), 'x');
    }
    guest.heard = heard_ + below(2);
    guest.sends_on(segment);
    if (below(4) == 0) {
      hear();
    }
  }

  /// One of the numbers that the gateway has chosen is a right one to acknowledge.
  void hear()
  {
    for (const GuestReceived& packet : world_.inbox()) {
      const auto tcp = packet.ip().protocol == PROTOCOL_TCP ? TcpHeader::parse(packet.payload())
                                                            : Parsed<TcpHeader>(Drop::bad_header);
      if (tcp) {
        heard_ = tcp->sequence + 1;
      }
    }
    world_.loses_all();
  }

  void host_acts()
  {
    if (world_.host.streams() == 0) {
      return;
    }
    const std::uint32_t recent
      = std::min<std::uint32_t>(static_cast<std::uint32_t>(world_.host.streams()), 12);
    FakeStream& stream = world_.host.stream(world_.host.streams() - 1 - below(recent));
    if (!stream.connected()) {
      below(2) == 0 ? stream.connects() : stream.fails(host_error(ECONNREFUSED));
      return;
    }
    switch (below(5)) {
      case 0:
        stream.has("data");
        break;
      case 1:
        stream.eof();
        break;
      case 2:
        stream.resets();
        break;
      case 3:
        stream.blocks_writes();
        break;
      default:
        stream.unblocks_writes();
        break;
    }
  }

  void reload()
  {
    constexpr const char* RULES[]
      = {"", "deny tcp://192.0.2.1", "allow any flows 3", "deny in any", "allow any new 2/s"};
    world_.gateway.set_rules(
      RuleSet(parse_rules(RULES[below(below(3) == 0 ? 4 : 1)]), world_.now()), nullptr);
  }

  std::mt19937 random_;
  World world_;
  std::uint32_t heard_ = 0;
};

} // namespace

TEST_CASE("in any order of events each connection stays its own")
{
  for (std::uint32_t seed = 1; seed <= 25; ++seed) {
    CAPTURE(seed);
    Disorder disorder(seed);
    for (std::uint32_t i = 0; i < STEPS; ++i) {
      disorder.step();
    }
    disorder.ends();
  }
}

} // namespace slirpstack
