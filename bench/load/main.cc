#include "base/error.hh"
#include "load/subcommands.hh"

#include <array>
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <string_view>
#include <vector>

using namespace slirpstack;
using namespace slirpstack::bench;

namespace {

struct Subcommand
{
  std::string_view name;
  std::string_view usage;
  std::size_t arguments;
  bool takes_more;
  void (*run)(const Arguments&);
};

constexpr std::array SUBCOMMANDS = {
  Subcommand{"echo-server", "ADDRESS PORT SECONDS", 3, false, run_echo_server},
  Subcommand{"first-connect", "ADDRESS PORT SECONDS", 3, false, run_first_connect},
  Subcommand{"ping-pong", "ADDRESS PORT SECONDS BYTES", 4, false, run_ping_pong},
  Subcommand{"connect-rate", "ADDRESS PORT SECONDS COUNT CONCURRENCY", 5, false, run_connect_rate},
  Subcommand{"open-flows", "ADDRESS PORT SECONDS", 3, false, run_open_flows},
  Subcommand{"udp-send", "ADDRESS PORT RATE_BPS SECONDS BYTES", 5, false, run_udp_send},
  Subcommand{"udp-serve", "ADDRESS PORT RATE_BPS SECONDS BYTES", 5, false, run_udp_serve},
  Subcommand{"udp-receive", "ADDRESS PORT SECONDS BYTES", 4, false, run_udp_receive},
  Subcommand{"udp-fetch", "ADDRESS PORT SECONDS BYTES", 4, false, run_udp_fetch},
  Subcommand{"stamp", "DESCRIPTOR COMMAND…", 2, true, run_stamp},
};

void run(const std::vector<std::string_view>& words)
{
  for (const Subcommand& subcommand : SUBCOMMANDS) {
    if (words.empty() || words.front() != subcommand.name) {
      continue;
    }
    const Arguments arguments = Arguments(words).subspan(1);
    if (arguments.size() < subcommand.arguments
        || (arguments.size() > subcommand.arguments && !subcommand.takes_more)) {
      throw UsageError(fmt::format("usage: bench-load {} {}", subcommand.name, subcommand.usage));
    }
    return subcommand.run(arguments);
  }
  std::string usage = "usage:";
  for (const Subcommand& subcommand : SUBCOMMANDS) {
    usage += fmt::format("\n  bench-load {} {}", subcommand.name, subcommand.usage);
  }
  throw UsageError(usage);
}

} // namespace

int main(int argc, char** argv)
{
  try {
    run({argv + 1, argv + argc});
    return 0;
  } catch (const UsageError& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench-load: {}\n", error.what());
    return 1;
  }
}
