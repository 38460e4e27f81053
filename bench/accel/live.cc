// The parts of a live measurement, each run in a namespace of bench/accel/live's network.

#include "accel/expiry.hh"
#include "accel/nat_accelerator.hh"
#include "accel/nat_table.hh"
#include "accel/traffic.h"
#include "accel/veth_end.hh"
#include "base/error.hh"
#include "slirpstack/nat_map.h"
#include "test_object.hh"
#include "wire/address.hh"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <iostream>
#include <memory>
#include <net/if.h>
#include <numeric>
#include <string>
#include <string_view>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <vector>

using namespace slirpstack;
using namespace slirpstack::bench;

namespace {

constexpr const char* USAGE
  = "usage: accel-live prepare INTERFACE\n"
    "       accel-live nat xdp|tc GUEST EXTERNAL NEXT_HOP_MAC\n"
    "       accel-live flood xdp|kernel GUEST EXTERNAL NEXT_HOP_MAC OBJECT FLOWS SECONDS\n"
    "       accel-live sink OBJECT INTERFACE\n";
constexpr std::uint32_t FRAMES_PER_CALL = 262144;
constexpr std::size_t MOST_PROCESSORS = 1024;

using Words = std::vector<std::string>;

std::uint32_t index_of(const std::string& interface)
{
  const std::uint32_t index = ::if_nametoindex(interface.c_str());
  system_call("find interface " + interface, index == 0 ? -1 : 0);
  return index;
}

MacAddress mac_of(const std::string& interface)
{
  const FileDescriptor socket(
    system_call("open a socket", ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
  ifreq request{};
  std::strncpy(request.ifr_name, interface.c_str(), sizeof(request.ifr_name) - 1);
  system_call("read an Ethernet address", ::ioctl(socket.get(), SIOCGIFHWADDR, &request));
  MacAddress mac{};
  std::memcpy(mac.bytes.data(), request.ifr_hwaddr.sa_data, mac.bytes.size());
  return mac;
}

MacAddress parse_mac(const std::string& text)
{
  MacAddress mac{};
  if (std::sscanf(text.c_str(),
                  "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx",
                  &mac.bytes[0],
                  &mac.bytes[1],
                  &mac.bytes[2],
                  &mac.bytes[3],
                  &mac.bytes[4],
                  &mac.bytes[5])
      != 6) {
    throw UsageError(fmt::format("no Ethernet address: {}", text));
  }
  return mac;
}

void announce_ready()
{
  std::cout << "ready" << std::endl;
}

/// The way of the packets: in, out, and to whom.
struct Way
{
  std::string guest;
  std::string external;
  MacAddress next_hop;
};

Way way_of(const Words& words)
{
  return {words[0], words[1], parse_mac(words[2])};
}

/// As slirpstack itself sets them.
nat_settings settings_for(const std::string& guest, const NatObject& object)
{
  nat_settings settings{};
  settings.flags = NAT_ALLOCATE | NAT_REDIRECT_PEER;
  settings.external_ranges = settings.internal_ranges = 1;
  settings.external[0] = {IpAddress::parse("203.0.113.0")->ipv4_value(), 16};
  settings.external_addresses = 16;
  settings.internal[0] = {IpAddress::parse("10.0.0.0")->ipv4_value(), 65536};
  settings.gateway = IpAddress::parse("10.0.0.1")->ipv4_value();
  settings.port_first = 1024;
  settings.port_last = 65535;
  settings.recent_sets = object.recent_sets();
  settings.recent_ticks = NatExpiry::Timeouts{}.recent_ticks();
  std::ranges::copy(mac_of(guest).bytes, std::begin(settings.gateway_mac));
  return settings;
}

std::unique_ptr<NatAccelerator> start_nat(NatHook hook, const Way& way)
{
  auto nat
    = std::make_unique<NatAccelerator>(hook, NatSizes{.bindings = 131072, .sessions = 131072});
  NatTable<std::uint32_t, nat_settings>(nat->object().map("settings"))
    .put(0, settings_for(way.guest, nat->object()));
  nat_route route{};
  route.ifindex = index_of(way.external);
  route.mtu = 1500;
  std::ranges::copy(way.next_hop.bytes, std::begin(route.destination_mac));
  std::ranges::copy(mac_of(way.external).bytes, std::begin(route.source_mac));
  NatTable<nat_route_key, nat_route>(nat->object().map("routes")).put({0, 0}, route);
  nat->attach_guest(static_cast<int>(index_of(way.guest)));
  nat->attach_external(static_cast<int>(route.ifindex));
  return nat;
}

void run_nat(const Words& words)
{
  const auto nat = start_nat(words[0] == "xdp" ? NatHook::xdp : NatHook::tc,
                             way_of(Words(words.begin() + 1, words.end())));
  announce_ready();
  for (std::string line; std::getline(std::cin, line);) {}
}

/// What this thread has had of the processor. Each call that sends begins and ends with a wait for
/// the other processors, which is no work.
std::chrono::nanoseconds processor_time()
{
  timespec spent{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return std::chrono::seconds(spent.tv_sec) + std::chrono::nanoseconds(spent.tv_nsec);
}

void flood(const TestObject& object, std::uint32_t guest, std::chrono::duration<double> duration)
{
  const auto start = processor_time();
  std::uint64_t sent = 0;
  for (; processor_time() - start < duration; sent += FRAMES_PER_CALL) {
    object.run_live("flood", FRAMES_PER_CALL, guest);
  }
  const std::chrono::duration<double> seconds = processor_time() - start;
  std::cout << fmt::format(R"({{"sent": {}, "seconds": {}}})", sent, seconds.count()) << std::endl;
}

/// Sends each flow twice, uncounted, then at random. `kernel`: to whatever is on the interface but
/// XDP, whose program is called by the source itself.
void run_flood(const Words& words)
{
  stay_on_one_processor();
  go_first();
  const Way way = way_of(Words(words.begin() + 1, words.begin() + 4));
  const std::uint32_t guest = index_of(way.guest);
  TestObject object(words[4].c_str());
  object.load();
  std::unique_ptr<NatAccelerator> nat;
  if (words[0] == "xdp") {
    nat = start_nat(NatHook::xdp, way);
    object.put("next", std::uint32_t{0}, nat->object().program("nat_internal"));
  }
  traffic wanted{};
  wanted.first_guest = IpAddress::parse("10.0.0.2")->ipv4_value();
  wanted.flows = static_cast<std::uint32_t>(std::stoul(words[5]));
  std::ranges::copy(mac_of(way.guest).bytes, std::begin(wanted.destination_mac));
  object.put("traffic", std::uint32_t{0}, wanted);
  object.run_live("flood", 2 * wanted.flows, guest);
  wanted.is_random = 1;
  object.put("traffic", std::uint32_t{0}, wanted);
  announce_ready();
  for (std::string line; std::getline(std::cin, line);) {
    flood(object, guest, std::chrono::duration<double>(std::stod(words[6])));
  }
}

seen total(const TestObject& object)
{
  std::vector<seen> each(MOST_PROCESSORS);
  const std::uint32_t zero = 0;
  system_call("read a BPF map", ::bpf_map_lookup_elem(object.map("seen"), &zero, each.data()));
  return std::accumulate(each.begin(), each.end(), seen{}, [](const seen& sum, const seen& one) {
    return seen{sum.inside + one.inside, sum.outside + one.outside};
  });
}

void run_sink(const Words& words)
{
  TestObject object(words[0].c_str());
  object.load();
  const NatAttachment attachment(
    NatHook::xdp, object.program("sink"), static_cast<int>(index_of(words[1])));
  announce_ready();
  for (std::string line; std::getline(std::cin, line);) {
    const seen now = total(object);
    std::cout << fmt::format(R"({{"inside": {}, "outside": {}}})", now.inside, now.outside)
              << std::endl;
  }
}

void run(const Words& words)
{
  const Words rest(words.begin() + (words.empty() ? 0 : 1), words.end());
  const std::string name = words.empty() ? "" : words.front();
  if (name == "prepare" && rest.size() == 1) {
    prepare_veth_end(rest[0]);
  } else if (name == "nat" && rest.size() == 4 && (rest[0] == "xdp" || rest[0] == "tc")) {
    run_nat(rest);
  } else if (name == "flood" && rest.size() == 7) {
    run_flood(rest);
  } else if (name == "sink" && rest.size() == 2) {
    run_sink(rest);
  } else {
    throw UsageError(USAGE);
  }
}

} // namespace

int main(int argc, char** argv)
{
  try {
    run({argv + 1, argv + argc});
    return 0;
  } catch (const UsageError& error) {
    std::fprintf(stderr, "%s", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "accel-live: %s\n", error.what());
    return 1;
  }
}
