// What one packet of a guest costs: nanoseconds of BPF_PROG_TEST_RUN on one processor. Nothing is
// attached and nothing is sent.
//
//     accel-nanoseconds generator.o

#include "accel/traffic.h"
#include "base/error.hh"
#include "slirpstack/nat_map.h"
#include "test_object.hh"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

using namespace slirpstack;
using namespace slirpstack::bench;

namespace {

constexpr std::uint32_t LOOPBACK = 1;
constexpr std::uint32_t FIRST_GUEST = 0x0a000000; // 10.0.0.0/16
constexpr std::uint32_t ROOM = 1U << 21U;
constexpr std::uint32_t REPEATS = 500000;
constexpr std::size_t RUNS = 21;

/// What is aimed at; 0: nothing.
struct Row
{
  std::uint32_t number;
  unsigned at_most_ns;
};

struct Figure
{
  unsigned median_ns;
  unsigned least_ns; ///< on a busy machine the one to believe
};

Figure measured(const TestObject& object, const char* program)
{
  std::array<unsigned, RUNS> figures{};
  for (unsigned& figure : figures) {
    figure = object.run(program, REPEATS);
  }
  std::ranges::sort(figures);
  return {figures[RUNS / 2], figures[0]};
}

void print(const std::string& what, Figure figure, unsigned at_most_ns = 0)
{
  std::printf("%-56s %4u ns, least %4u", what.c_str(), figure.median_ns, figure.least_ns);
  if (at_most_ns != 0) {
    std::printf(
      "   wanted: %u %s", at_most_ns, figure.median_ns <= at_most_ns ? "(kept)" : "(missed)");
  }
  std::printf("\n");
  std::fflush(stdout);
}

void want(const TestObject& object, std::uint32_t flows, bool is_random)
{
  object.put("traffic",
             std::uint32_t{0},
             traffic{.flows = flows, .is_random = is_random ? 1U : 0U, .first_guest = FIRST_GUEST});
}

TestObject load(const char* path, std::uint16_t filter, bool remembers)
{
  TestObject object(path);
  for (const char* map : {"bindings", "owners", "sessions", "recent"}) {
    object.set_entries(map, ROOM);
  }
  object.load();
  nat_settings settings{};
  settings.flags = NAT_ALLOCATE;
  settings.external_ranges = settings.internal_ranges = 1;
  settings.external[0] = {0xcb007100, 256}; // 203.0.113.0/24
  settings.external_addresses = 256;
  settings.internal[0] = {FIRST_GUEST, 65536};
  settings.port_first = 1024;
  settings.port_last = 65535;
  settings.filter_udp = filter;
  settings.recent_sets = remembers ? ROOM : 0;
  settings.recent_ticks = 27; // half a minute
  object.put("settings", std::uint32_t{0}, settings);
  nat_route route{};
  route.ifindex = LOOPBACK;
  route.mtu = 1500;
  object.put("routes", nat_route_key{0, 0}, route);
  object.put("routes6", nat_route6_key{}, route);
  object.put("devices", LOOPBACK, LOOPBACK);
  return object;
}

void measure_bindings(const char* path,
                      std::uint16_t filter,
                      bool remembers,
                      const std::vector<Row>& rows)
{
  const TestObject object = load(path, filter, remembers);
  const std::string kind = std::string(filter == NAT_FILTER_ENDPOINT ? "" : ", a session each")
                           + (remembers ? "" : ", by the maps alone");
  for (const Row& row : rows) {
    want(object, row.number, false);
    object.run("generate_traffic", row.number);
    const std::string what = std::to_string(row.number) + " bindings" + kind;
    print(what + ", in a row", measured(object, "generate_traffic"));
    want(object, row.number, true);
    print(what + ", at random", measured(object, "generate_traffic"), row.at_most_ns);
  }
}

/// fd00:0:i::/48 is 2001:i::/48 outside.
void put_prefix(const TestObject& object, std::uint32_t number)
{
  nat_prefix_key key{};
  key.prefix_length = 32 + 48;
  key.side = 0;
  key.address[0] = 0xfd;
  key.address[4] = static_cast<std::uint8_t>(number >> 8U);
  key.address[5] = static_cast<std::uint8_t>(number);
  nat_prefix value{};
  value.prefix[0] = 0x20;
  value.prefix[1] = 0x01;
  value.prefix[2] = key.address[4];
  value.prefix[3] = key.address[5];
  value.length = 48;
  value.flags = NAT_PREFIX_NEUTRAL;
  value.adjustment = static_cast<std::uint16_t>(number);
  object.put("prefixes", key, value); // open, of a guest without an Ethernet address
}

void measure_prefixes(const char* path)
{
  const TestObject object = load(path, NAT_FILTER_ENDPOINT, true);
  std::uint32_t made = 0;
  for (const std::uint32_t prefixes : {1U, 100U, 4000U}) {
    for (; made < prefixes; ++made) {
      put_prefix(object, made);
    }
    want(object, prefixes, true);
    print("NPTv6, " + std::to_string(prefixes) + " prefixes, at random",
          measured(object, "generate_ipv6"));
  }
  print("making an IPv6 packet, part of each NPTv6", measured(object, "generate_ipv6_only"));
}

void measure(const char* path)
{
  {
    const TestObject object = load(path, NAT_FILTER_ENDPOINT, true);
    want(object, 1, true);
    print("making an IPv4 packet, part of each", measured(object, "generate_only"));
  }
  for (const bool remembers : {true, false}) {
    measure_bindings(path, NAT_FILTER_ENDPOINT, remembers, {{1, 150}, {100000, 0}, {1000000, 300}});
    measure_bindings(path, NAT_FILTER_PORT, remembers, {{1, 0}, {100000, 0}, {1000000, 0}});
  }
  measure_prefixes(path);
}

} // namespace

int main(int argc, char** argv)
{
  if (argc != 2) {
    std::fprintf(stderr, "usage: accel-nanoseconds generator.o\n");
    return 2;
  }
  try {
    stay_on_one_processor();
    measure(argv[1]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "accel-nanoseconds: %s\n", error.what());
    return 1;
  }
}
