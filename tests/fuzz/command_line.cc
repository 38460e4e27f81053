// Arguments, each ended by a zero byte, become a Config or a UsageError of one line, whatever name
// the program was started by.

#include "base/error.hh"
#include "face/cgnat.hh"
#include "face/native_command_line.hh"
#include "face/slirpnetstack.hh"
#include "face/slnat.hh"
#include "require.hh"

#include <algorithm>
#include <cstdint>

using namespace slirpstack;

namespace {

std::vector<std::string> arguments_in(std::string_view bytes)
{
  std::vector<std::string> arguments;
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\0'), bytes.size());
    arguments.emplace_back(bytes.substr(0, end));
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
  }
  return arguments;
}

/// What main() takes for granted about a Config that it is given.
void check(const Config& config)
{
  const Config::Network& network = config.network;
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    const Prefix& prefix = family == Family::ipv4 ? network.cidr : network.cidr6;
    require(prefix.contains(network.guest(family)) && prefix.contains(network.gateway(family)));
  }
  require(!network.interface.empty() && network.interface.size() <= 15);
  require(!network.mtu || (*network.mtu >= 68 && *network.mtu <= 65521));
  const Config::Timeouts& timeouts = config.timeouts;
  for (const auto timeout : {timeouts.tcp_established,
                             timeouts.tcp_opening,
                             timeouts.tcp_closing,
                             timeouts.udp,
                             timeouts.dns,
                             timeouts.ping}) {
    require(timeout >= std::chrono::seconds(1) && timeout <= std::chrono::hours(720));
  }
  require(!config.attach.netns || !config.attach.netns->empty());
  require(config.command.empty() || config.action == Config::Action::run);
  require(!config.attach.fd || *config.attach.fd >= 0);
}

} // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const std::vector<std::string> arguments = arguments_in(std::string(data, data + size));
  for (const auto parse : {parse_command_line, parse_slirpnetstack, parse_cgnat, parse_slnat}) {
    try {
      check(parse(arguments));
    } catch (const UsageError& error) {
      const std::string_view text = error.what();
      require(!text.empty() && text.find('\n') == std::string_view::npos);
    }
  }
  return 0;
}
