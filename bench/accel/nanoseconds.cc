// What one packet of a guest costs: nanoseconds of BPF_PROG_TEST_RUN on one core, with 1, 100,000
// and 1,000,000 bindings. Nothing is attached and nothing is sent.
//
//     accel-nanoseconds generator.o

#include "slirpstack/nat_map.h"

#include <algorithm>
#include <array>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

constexpr std::uint32_t LOOPBACK = 1;
constexpr std::uint32_t FIRST_GUEST = 0x0a000000; // 10.0.0.0/16
constexpr std::uint32_t ROOM = 1U << 21U;
constexpr int REPEATS = 2000000;
constexpr int RUNS = 5;

struct Traffic
{
  std::uint32_t flows;
  std::uint32_t first_guest;
};

[[noreturn]] void fail(const char* what)
{
  std::fprintf(stderr, "accel-nanoseconds: %s: %s\n", what, std::strerror(errno));
  std::exit(EXIT_FAILURE);
}

template<typename Key, typename Value>
void put(bpf_object* object, const char* map, const Key& key, const Value& value)
{
  if (::bpf_map_update_elem(::bpf_object__find_map_fd_by_name(object, map), &key, &value, BPF_ANY)
      != 0) {
    fail(map);
  }
}

unsigned run(bpf_object* object, const char* program, int repeats)
{
  std::array<std::uint8_t, 64> frame{};
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.data_in = frame.data();
  options.data_size_in = frame.size();
  options.repeat = repeats;
  if (::bpf_prog_test_run_opts(
        ::bpf_program__fd(::bpf_object__find_program_by_name(object, program)), &options)
      != 0) {
    fail(program);
  }
  return options.duration;
}

unsigned median_ns(bpf_object* object, const char* program)
{
  std::array<unsigned, RUNS> figures{};
  for (unsigned& figure : figures) {
    figure = run(object, program, REPEATS);
  }
  std::ranges::sort(figures);
  return figures[RUNS / 2];
}

bpf_object* load(const char* path, std::uint16_t filter)
{
  bpf_object* const object = ::bpf_object__open_file(path, nullptr);
  if (object == nullptr) {
    fail(path);
  }
  for (const char* map : {"bindings", "owners", "sessions"}) {
    ::bpf_map__set_max_entries(::bpf_object__find_map_by_name(object, map), ROOM);
  }
  if (::bpf_object__load(object) != 0) {
    fail("load");
  }
  nat_settings settings{};
  settings.flags = NAT_ALLOCATE;
  settings.external_ranges = settings.internal_ranges = 1;
  settings.external[0] = {0xcb007100, 256}; // 203.0.113.0/24
  settings.external_addresses = 256;
  settings.internal[0] = {FIRST_GUEST, 65536};
  settings.port_first = 1024;
  settings.port_last = 65535;
  settings.filter_udp = filter;
  put(object, "settings", std::uint32_t{0}, settings);
  nat_route route{};
  route.ifindex = LOOPBACK;
  route.mtu = 1500;
  put(object, "routes", nat_route_key{0, 0}, route);
  put(object, "devices", LOOPBACK, LOOPBACK);
  return object;
}

void measure(const char* path, std::uint16_t filter, const char* what)
{
  bpf_object* const object = load(path, filter);
  for (const std::uint32_t flows : {1U, 100000U, 1000000U}) {
    put(object, "traffic", std::uint32_t{0}, Traffic{flows, FIRST_GUEST});
    run(object, "generate_bindings", static_cast<int>(flows));
    std::printf("%-22s %8u bindings: %4u ns\n", what, flows, median_ns(object, "generate_traffic"));
  }
  ::bpf_object__close(object);
}

} // namespace

int main(int argc, char** argv)
{
  if (argc != 2) {
    std::fprintf(stderr, "usage: accel-nanoseconds generator.o\n");
    return 2;
  }
  bpf_object* const object = load(argv[1], NAT_FILTER_ENDPOINT);
  put(object, "traffic", std::uint32_t{0}, Traffic{1, FIRST_GUEST});
  std::printf("making the packet, a part of all below: %u ns\n",
              median_ns(object, "generate_only"));
  ::bpf_object__close(object);
  measure(argv[1], NAT_FILTER_ENDPOINT, "no sessions");
  measure(argv[1], NAT_FILTER_PORT, "a session each");
}
