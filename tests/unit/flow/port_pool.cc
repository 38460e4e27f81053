#include "flow/port_pool.hh"

#include "wire/ip.hh"

#include <algorithm>
#include <doctest/doctest.h>
#include <map>
#include <set>

using namespace slirpstack;
using namespace std::chrono_literals;

namespace {

const IpAddress GUEST = IpAddress::parse("10.0.0.2").value();
const IpAddress OTHER = IpAddress::parse("10.0.0.3").value();
const IpAddress FIRST = IpAddress::parse("203.0.113.1").value();
const IpAddress SECOND = IpAddress::parse("203.0.113.2").value();
constexpr TimePoint START{};

PortPool pool_of(const std::vector<IpAddress>& addresses, const PortPool::Options& options)
{
  return {addresses, options, HashSecret{1, 2}};
}

std::optional<Endpoint> taken(PortPool& pool,
                              const Endpoint& internal,
                              TimePoint now = START,
                              std::uint8_t protocol = PROTOCOL_UDP)
{
  const auto result = pool.take(internal, protocol, now);
  return std::holds_alternative<Endpoint>(result) ? std::optional(std::get<Endpoint>(result))
                                                  : std::nullopt;
}

} // namespace

TEST_CASE("a port is of the class of the internal one")
{
  PortPool pool = pool_of({FIRST}, {});
  for (std::uint16_t port = 1; port < 1000; port = static_cast<std::uint16_t>(port + 7)) {
    CHECK(taken(pool, {GUEST, port})->port < 1024);
    CHECK(taken(pool, {GUEST, static_cast<std::uint16_t>(port + 1024)})->port >= 1024);
  }
}

TEST_CASE("an internal address has one external address, and is not moved when that is full")
{
  PortPool pool = pool_of({FIRST, SECOND}, {.first_port = 2000, .last_port = 2003});
  std::set<IpAddress> seen;
  for (std::uint16_t port = 5000; port < 5004; ++port) {
    const auto external = taken(pool, {GUEST, port});
    REQUIRE(external);
    seen.insert(external->address);
  }
  CHECK(seen.size() == 1);
  CHECK(std::get<PortRefusal>(pool.take({GUEST, 5004}, PROTOCOL_UDP, START))
        == PortRefusal::exhausted);
  CHECK(taken(pool, {GUEST, 5004}, START, PROTOCOL_TCP));
}

TEST_CASE("many internal addresses use all external ones")
{
  PortPool pool = pool_of({FIRST, SECOND}, {});
  std::set<IpAddress> seen;
  for (std::uint32_t i = 0; i < 64; ++i) {
    seen.insert(taken(pool, {IpAddress::ipv4(0x0a000000U + i), 5000})->address);
  }
  CHECK(seen.size() == 2);
}

TEST_CASE("a port given back rests for 120 seconds")
{
  PortPool pool = pool_of({FIRST}, {.first_port = 2000, .last_port = 2000});
  const auto external = taken(pool, {GUEST, 5000});
  REQUIRE(external);
  pool.give_back({GUEST, 5000}, *external, PROTOCOL_UDP, START);
  CHECK_FALSE(taken(pool, {OTHER, 5000}, START + 119s));
  CHECK(taken(pool, {OTHER, 5000}, START + 120s) == external);
}

TEST_CASE("the quota counts what an internal address has now")
{
  PortPool pool = pool_of({FIRST}, {.quota = 2});
  const auto external = taken(pool, {GUEST, 1});
  REQUIRE(taken(pool, {GUEST, 2}));
  CHECK(std::get<PortRefusal>(pool.take({GUEST, 3}, PROTOCOL_UDP, START)) == PortRefusal::quota);
  CHECK(taken(pool, {OTHER, 3}));
  pool.give_back({GUEST, 1}, *external, PROTOCOL_UDP, START);
  CHECK(taken(pool, {GUEST, 3}));
  CHECK(pool.ports_of(GUEST) == 2);
}

TEST_CASE("a reserved port is never given out")
{
  PortPool pool = pool_of({FIRST}, {.first_port = 2000, .last_port = 2001});
  CHECK(pool.reserve({FIRST, 2000}, PROTOCOL_UDP));
  CHECK_FALSE(pool.reserve({FIRST, 2000}, PROTOCOL_UDP));
  CHECK_FALSE(pool.reserve({GUEST, 2000}, PROTOCOL_UDP));
  CHECK(taken(pool, {GUEST, 5000}) == Endpoint{FIRST, 2001});
  CHECK_FALSE(taken(pool, {GUEST, 5001}));
}

TEST_CASE("blocks are assigned as they are needed, logged, and freed with the last port")
{
  PortPool pool = pool_of({FIRST}, {.first_port = 2000, .last_port = 2007, .block_ports = 4});
  std::vector<std::pair<PortBlock, bool>> log;
  pool.set_block_log(
    [&](const PortBlock& block, bool is_assigned) { log.emplace_back(block, is_assigned); });
  std::vector<Endpoint> externals;
  for (std::uint16_t port = 5000; port < 5004; ++port) {
    externals.push_back(taken(pool, {GUEST, port}).value());
    CHECK(externals.back().port / 4 == externals.front().port / 4);
  }
  REQUIRE(log.size() == 1);
  CHECK(log[0].first.internal == GUEST);
  CHECK(log[0].first.last - log[0].first.first == 3);
  const auto other = taken(pool, {OTHER, 5000});
  REQUIRE(other);
  CHECK(other->port / 4 != externals.front().port / 4);
  CHECK_FALSE(taken(pool, {GUEST, 5004}));
  for (std::uint16_t i = 0; i < 4; ++i) {
    pool.give_back(
      {GUEST, static_cast<std::uint16_t>(5000 + i)}, externals[i], PROTOCOL_UDP, START);
  }
  REQUIRE(log.size() == 3);
  CHECK(log[2] == std::pair(log[0].first, false));
}

TEST_CASE("guests with equal addresses have blocks of their own, and none takes all of them")
{
  PortPool pool = pool_of(
    {FIRST}, {.first_port = 2000, .last_port = 2031, .block_ports = 4, .is_shared = true});
  std::map<std::uint8_t, std::set<int>> blocks;
  std::set<std::uint8_t> zones_logged;
  pool.set_block_log(
    [&](const PortBlock& block, bool /*is_assigned*/) { zones_logged.insert(block.zone); });
  const auto take = [&](std::uint8_t zone, std::uint8_t guest) {
    const Endpoint internal{IpAddress::ipv4(0x0a000200U + guest), 5000};
    const auto result = pool.take(internal, PROTOCOL_UDP, START, zone);
    if (const auto* const external = std::get_if<Endpoint>(&result)) {
      blocks[zone].insert((external->port - 2000) / 4);
    }
    return std::holds_alternative<Endpoint>(result);
  };
  // Each of its addresses needs a block.
  std::uint8_t addresses = 0;
  while (take(0, addresses)) {
    ++addresses;
    REQUIRE(addresses < 9);
  }
  CHECK(addresses == 4);
  CHECK(blocks[0].size() == 4);
  CHECK(take(1, 0));
  CHECK(take(1, 1));
  CHECK_FALSE(take(1, 2));
  CHECK(take(2, 0));
  for (const int block : blocks[1]) {
    CHECK_FALSE(blocks[0].contains(block));
  }
  CHECK(zones_logged == std::set<std::uint8_t>{0, 1, 2});
}

TEST_CASE("ports do not follow one another")
{
  PortPool pool = pool_of({FIRST}, {});
  int neighbours = 0;
  std::uint16_t last = taken(pool, {GUEST, 4999})->port;
  for (std::uint16_t port = 5000; port < 5100; ++port) {
    const std::uint16_t next = taken(pool, {GUEST, port})->port;
    neighbours += next == last + 1 ? 1 : 0;
    last = next;
  }
  CHECK(neighbours < 3);
}

TEST_CASE("what is released rests, and may be reserved meanwhile but not given out")
{
  PortPool pool = pool_of({FIRST}, {.first_port = 2000, .last_port = 2000});
  const Endpoint external{FIRST, 2000};
  REQUIRE(pool.reserve(external, PROTOCOL_UDP));
  pool.release(external, PROTOCOL_UDP, START);
  CHECK_FALSE(taken(pool, {GUEST, 5000}, START + 119s));
  CHECK(pool.reserve(external, PROTOCOL_UDP));
  CHECK_FALSE(taken(pool, {GUEST, 5000}, START + 1h)); // its rest is over, it is reserved
  pool.release(external, PROTOCOL_UDP, START + 1h);
  CHECK(taken(pool, {GUEST, 5000}, START + 1h + 120s) == external);
  CHECK_FALSE(pool.reserve(external, PROTOCOL_UDP));
}

TEST_CASE("equal addresses of different zones are different subscribers")
{
  PortPool pool
    = pool_of({FIRST}, {.first_port = 2000, .last_port = 2007, .block_ports = 4, .quota = 1});
  std::vector<PortBlock> log;
  pool.set_block_log([&](const PortBlock& block, bool) { log.push_back(block); });
  const Endpoint guest{GUEST, 5000};
  const auto one = pool.take(guest, PROTOCOL_UDP, START, 1);
  const auto two = pool.take(guest, PROTOCOL_UDP, START, 2);
  REQUIRE(std::holds_alternative<Endpoint>(one));
  REQUIRE(std::holds_alternative<Endpoint>(two));
  CHECK(std::get<PortRefusal>(pool.take(guest, PROTOCOL_UDP, START, 2)) == PortRefusal::quota);
  CHECK(pool.ports_of(GUEST) == 0);
  CHECK(pool.ports_of(GUEST, 1) == 1);
  pool.give_back(guest, std::get<Endpoint>(one), PROTOCOL_UDP, START, 1);
  CHECK(pool.ports_of(GUEST, 1) == 0);
  CHECK(pool.ports_of(GUEST, 2) == 1);
  REQUIRE(log.size() == 3);
  CHECK(log[0].zone == 1);
  CHECK(log[1].zone == 2);
  CHECK(log[2] == log[0]);
}

TEST_CASE("where the addresses are the host's own no well-known port is given out")
{
  PortPool pool = pool_of({FIRST}, {.first_port = 2000, .last_port = 2099, .has_low_ports = false});
  for (std::uint16_t port = 1; port <= 100; ++port) {
    CHECK(taken(pool, {GUEST, port})->port >= 2000);
  }
  CHECK_FALSE(taken(pool, {GUEST, 101}));
}

TEST_CASE("a predecessor's ports are the same guest's, count, and are given back like others")
{
  PortPool pool = pool_of({FIRST, SECOND}, {.first_port = 2000, .last_port = 2003, .quota = 2});
  const Endpoint external{SECOND, 2001};
  REQUIRE(pool.adopt({GUEST, 5000}, external, PROTOCOL_UDP));
  CHECK_FALSE(pool.adopt({OTHER, 5000}, external, PROTOCOL_UDP));
  CHECK_FALSE(pool.adopt({GUEST, 5001}, {FIRST, 2001}, PROTOCOL_UDP)); // it has one address
  CHECK_FALSE(pool.adopt({OTHER, 5001}, {GUEST, 2001}, PROTOCOL_UDP)); // not of the pool
  CHECK(pool.ports_of(OTHER) == 0);
  CHECK(taken(pool, {GUEST, 5001})->address == SECOND);
  CHECK(std::get<PortRefusal>(pool.take({GUEST, 5002}, PROTOCOL_UDP, START)) == PortRefusal::quota);
  pool.give_back({GUEST, 5000}, external, PROTOCOL_UDP, START);
  CHECK(pool.ports_of(GUEST) == 1);
  CHECK_FALSE(pool.adopt({GUEST, 5000}, external, PROTOCOL_UDP)); // it rests
}

TEST_CASE("a predecessor's ports bring their blocks")
{
  PortPool pool = pool_of({FIRST}, {.first_port = 2000, .last_port = 2007, .block_ports = 4});
  std::vector<PortBlock> log;
  pool.set_block_log([&](const PortBlock& block, bool) { log.push_back(block); });
  REQUIRE(pool.adopt({GUEST, 5000}, {FIRST, 2005}, PROTOCOL_UDP));
  REQUIRE(pool.adopt({GUEST, 5001}, {FIRST, 2006}, PROTOCOL_UDP));
  REQUIRE(log.size() == 1);
  CHECK(log[0].first == 2004);
  CHECK_FALSE(pool.adopt({OTHER, 5000}, {FIRST, 2004}, PROTOCOL_UDP)); // another's block
  CHECK_FALSE(pool.adopt({OTHER, 5000}, {FIRST, 1999}, PROTOCOL_UDP)); // in none
  CHECK(taken(pool, {OTHER, 5000})->port < 2004);
  CHECK(taken(pool, {GUEST, 5002})->port >= 2004);
}

TEST_CASE("of several guests none takes more ports than it leaves the others")
{
  PortPool pool = pool_of(
    {FIRST}, {.first_port = 2000, .last_port = 2029, .has_low_ports = false, .is_shared = true});
  const auto fills = [&](std::uint8_t zone) {
    std::vector<Endpoint> externals;
    for (std::uint16_t i = 0; i < 100; ++i) { // under many addresses, as a hostile guest would
      const Endpoint internal{IpAddress::ipv4(0x0a000000U + i), 5000};
      const auto external = pool.take(internal, PROTOCOL_UDP, START, zone);
      if (const auto* const taken = std::get_if<Endpoint>(&external)) {
        externals.push_back(*taken);
      }
    }
    return externals;
  };
  const std::vector<Endpoint> first = fills(1);
  CHECK(first.size() == 15);
  CHECK(fills(2).size() == 8);
  CHECK(std::holds_alternative<Endpoint>(pool.take({GUEST, 1}, PROTOCOL_TCP, START, 1)));
  for (std::uint16_t i = 0; i < first.size(); ++i) {
    pool.give_back({IpAddress::ipv4(0x0a000000U + i), 5000}, first[i], PROTOCOL_UDP, START, 1);
  }
  CHECK(fills(1).empty()); // they rest
  const std::vector<Endpoint> again = fills(2);
  CHECK(again.empty());
  CHECK(std::holds_alternative<Endpoint>(
    pool.take({GUEST, 1}, PROTOCOL_UDP, START + PortPool::QUARANTINE, 1)));
}

TEST_CASE("how long ports rest, and how many do, can be set")
{
  PortPool restless = pool_of({FIRST},
                              {.first_port = 2000,
                               .last_port = 2000,
                               .has_low_ports = false,
                               .quarantine = std::chrono::seconds(0)});
  for (int i = 0; i < 2; ++i) {
    const auto taken = restless.take({GUEST, 5000}, PROTOCOL_UDP, START);
    REQUIRE(std::holds_alternative<Endpoint>(taken));
    restless.give_back({GUEST, 5000}, std::get<Endpoint>(taken), PROTOCOL_UDP, START);
  }
  PortPool bounded = pool_of(
    {FIRST},
    {.first_port = 2000, .last_port = 2002, .has_low_ports = false, .quarantine_ports = 1});
  std::vector<Endpoint> externals;
  const auto take_all = [&] {
    externals.clear();
    for (std::uint16_t port = 5000; port < 5004; ++port) {
      const auto taken = bounded.take({GUEST, port}, PROTOCOL_UDP, START);
      if (const auto* const external = std::get_if<Endpoint>(&taken)) {
        externals.push_back(*external);
      }
    }
  };
  take_all();
  REQUIRE(externals.size() == 3);
  for (std::uint16_t i = 0; i < 3; ++i) {
    bounded.give_back(
      {GUEST, static_cast<std::uint16_t>(5000 + i)}, externals[i], PROTOCOL_UDP, START);
  }
  const Endpoint last = externals[2];
  take_all();
  CHECK(externals.size() == 2);
  CHECK(std::ranges::find(externals, last) == externals.end());
}
