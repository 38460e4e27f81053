#include "face/options.hh"

#include "base/error.hh"
#include "face/native_command_line.hh"

#include <algorithm>
#include <doctest/doctest.h>
#include <sstream>

using namespace slirpstack;
using namespace std::chrono_literals;

namespace {

using Words = std::vector<std::string>;

Config parse(const Words& words)
{
  return parse_command_line(words);
}

} // namespace

TEST_CASE("without options, a Config holds its own defaults")
{
  Config expected;
  expected.attach.pid = 1234;
  CHECK(parse({"1234"}) == expected);
}

TEST_CASE("the defaults are those of the RFCs and of the man page")
{
  const Config config = parse({"1234"});
  CHECK(config.network.interface == "tun0");
  CHECK_FALSE(config.network.mtu);
  CHECK(config.network.cidr.to_string() == "10.0.2.0/24");
  CHECK(config.network.cidr6.to_string() == "fd00::/64");
  CHECK(config.egress.udp_filter == Config::UdpFilter::port);
  CHECK(config.timeouts.tcp_established == 7440s);
  CHECK(config.timeouts.tcp_closing == 240s);
  CHECK(config.timeouts.udp == 300s);
  CHECK(config.timeouts.dns == 10s);
  CHECK(config.timeouts.ping == 60s);
  CHECK_FALSE(config.limits.max_flows);
  CHECK(config.limits.max_memory_bytes == 256U * 1024 * 1024);
  CHECK(config.output.level == LogLevel::info);
  CHECK(config.output.format == LogFormat::text);
  CHECK(config.latency == Config::Latency::normal);
}

TEST_CASE("a DNS address of each family can be chosen")
{
  const Config config = parse({"-dns", "192.0.2.53", "-dns=2001:db8::53", "1234"});
  CHECK(config.network.dns(Family::ipv4).to_string() == "192.0.2.53");
  CHECK(config.network.dns(Family::ipv6).to_string() == "2001:db8::53");
  const Config one = parse({"-cidr", "192.0.2.0/24", "-dns=2001:db8::53", "1234"});
  CHECK(one.network.dns(Family::ipv4).to_string() == "192.0.2.3");
}

TEST_CASE("metrics go to a port or to a Unix socket, written as for a forward or as a URL")
{
  const auto address = [](const char* text) {
    return to_string(parse({"-m", text, "1234"}).control.metrics.value());
  };
  CHECK(address("tcp://[::1]:9100") == "[::1]:9100");
  CHECK(address("tcp://localhost:9100") == "127.0.0.1:9100");
  CHECK(address("unix:/run/metrics") == "unix:/run/metrics");
  CHECK(address("unix:///run/metrics") == "unix:/run/metrics");
}

TEST_CASE("the format of the log is found in a command line that has mistakes")
{
  CHECK(typed_log_format(Words{"run", "-log-format", "json", "-nosuch"}) == LogFormat::json);
  CHECK(typed_log_format(Words{"--log-format=json"}) == LogFormat::json);
  CHECK(typed_log_format(Words{"-log-format", "text"}) == LogFormat::text);
  CHECK(typed_log_format(Words{"run", "--", "x", "-log-format=json"}) == LogFormat::text);
}

TEST_CASE("a missing interface is answered with what makes it, where that could help")
{
  const auto missing = std::make_error_code(std::errc::no_such_device);
  CHECK(remedy_of(parse({"1234"}), missing) == " (-configure makes it)");
  CHECK(remedy_of(parse({"-interface=tun0"}), missing)
        == " (with -netns or a process id, -configure makes it)");
  CHECK(remedy_of(parse({"-configure", "1234"}), missing).empty());
  CHECK(
    remedy_of(parse({"1234"}), std::make_error_code(std::errc::device_or_resource_busy)).empty());
}

TEST_CASE("the README line of slirpnetstack is understood as it stands")
{
  const Config config = parse({"-interface", "tun0", "-netns", "/proc/31530/ns/net"});
  CHECK(config.action == Config::Action::attach);
  CHECK(config.attach.netns == "/proc/31530/ns/net");
  CHECK(config.network.interface == "tun0");
  CHECK_FALSE(config.network.configure);
}

TEST_CASE("every option reaches its place")
{
  const Config config = parse({"-netns",
                               "blue",
                               "-userns=/proc/7/ns/user",
                               "-interface",
                               "tap9",
                               "-configure",
                               "-mtu",
                               "1500",
                               "-cidr",
                               "192.0.2.0/24",
                               "-cidr6",
                               "2001:db8::/64",
                               "-enable-host",
                               "-disable-routing",
                               "-source-ipv4",
                               "198.51.100.1",
                               "-source-ipv6",
                               "2001:db8::1",
                               "-udp-filter",
                               "endpoint",
                               "-tcp-timeout",
                               "2h5m",
                               "-tcp-opening-timeout",
                               "6m",
                               "-tcp-closing-timeout",
                               "5m",
                               "-inbound-refresh=false",
                               "-udp-timeout",
                               "120",
                               "-dns-timeout",
                               "5s",
                               "-ping-timeout",
                               "90s",
                               "-ready-fd",
                               "3",
                               "-exit-fd",
                               "4",
                               "-exit-with-parent",
                               "-max-flows",
                               "1000",
                               "-max-memory",
                               "64M",
                               "-latency",
                               "low",
                               "-log-level",
                               "debug",
                               "-log-format",
                               "json",
                               "-quiet",
                               "-pcap",
                               "out,1.pcapng"});
  Config expected;
  expected.attach = {.netns = "blue", .pid = {}, .userns = "/proc/7/ns/user", .fd = {}};
  expected.network = {.interface = "tap9",
                      .configure = true,
                      .mtu = 1500,
                      .cidr = Prefix::parse("192.0.2.0/24").value(),
                      .cidr6 = Prefix::parse("2001:db8::/64").value()};
  expected.egress = {.enable_host = true,
                     .disable_routing = true,
                     .source_ipv4 = IpAddress::parse("198.51.100.1"),
                     .source_ipv6 = IpAddress::parse("2001:db8::1"),
                     .udp_filter = Config::UdpFilter::endpoint};
  expected.timeouts = {.tcp_established = 7500s,
                       .tcp_opening = 360s,
                       .tcp_closing = 300s,
                       .udp = 120s,
                       .dns = 5s,
                       .ping = 90s,
                       .inbound_refreshes = false};
  expected.lifecycle = {.ready_fd = 3, .exit_fd = 4, .exit_with_parent = true};
  expected.limits = {.max_flows = 1000, .max_memory_bytes = 64U << 20U};
  expected.output
    = {.level = LogLevel::debug, .format = LogFormat::json, .quiet = true, .pcap = "out,1.pcapng"};
  expected.latency = Config::Latency::low;
  CHECK(config == expected);
}

TEST_CASE("an inherited socket is a guest")
{
  const Config config = parse({"-fd", "5", "-mtu", "1500"});
  CHECK(config.attach.fd == 5);
  CHECK(config.network.mtu == 1500U);
}

TEST_CASE("run takes its command as it is")
{
  const Config config = parse({"run", "-mtu", "9000", "ls", "-l", "--", "-mtu"});
  CHECK(config.action == Config::Action::run);
  CHECK(config.command == Words{"ls", "-l", "--", "-mtu"});
  CHECK(config.network.mtu == 9000U);
  CHECK(config.network.configure);
  CHECK(parse({"run", "--", "-odd", "x"}).command == Words{"-odd", "x"});
}

TEST_CASE("run without a command means a shell")
{
  CHECK(parse({"run"}).command.empty());
  CHECK(parse({"run", "-quiet", "--"}).command.empty());
  CHECK(parse({"run", "run"}).command == Words{"run"});
}

TEST_CASE("options may stand on both sides of run")
{
  const Config config = parse({"-quiet", "-mtu=1400", "run", "-mtu=1500", "id"});
  CHECK(config.action == Config::Action::run);
  CHECK(config.output.quiet);
  CHECK(config.network.mtu == 1500U);
  CHECK(config.command == Words{"id"});
}

TEST_CASE("the last of several values counts")
{
  CHECK(parse({"-mtu", "1400", "-mtu", "1500", "1"}).network.mtu == 1500U);
  CHECK_FALSE(parse({"-quiet", "-quiet=false", "1"}).output.quiet);
}

TEST_CASE("a value that says none is none")
{
  const Config config
    = parse({"-mtu", "0", "-fd", "-1", "-ready-fd=-1", "-exit-fd=-1", "-netns=", "1"});
  Config expected;
  expected.attach.pid = 1;
  CHECK(config == expected);
}

TEST_CASE("an interface in the program's own namespace has to be named")
{
  const Config config = parse({"-interface", "tun0"});
  CHECK(config.action == Config::Action::attach);
  CHECK(config.attach == Config::Attach{});
  CHECK_NOTHROW(parse({"-netns", "", "-interface", "tun0"}));
}

TEST_CASE("the RFCs' minima are advice, not law")
{
  CHECK(parse({"-tcp-timeout", "1s", "1"}).timeouts.tcp_established == 1s);
  CHECK(parse({"-udp-timeout", "720h", "1"}).timeouts.udp == 720h);
}

TEST_CASE("help and version win over everything but an unknown flag")
{
  for (const char* flag : {"-h", "--h", "-help", "--help"}) {
    CAPTURE(flag);
    CHECK(parse({flag}).action == Config::Action::help);
    CHECK(parse({"-mtu", "x", flag, "nonsense"}).action == Config::Action::help);
    CHECK(parse({"run", flag}).action == Config::Action::help);
  }
  CHECK(parse({"-version"}).action == Config::Action::version);
  CHECK(parse({"-version", "-h"}).action == Config::Action::help);
  CHECK(parse({"run", "id", "-h"}).action == Config::Action::run);
}

TEST_CASE("the help text fits a terminal and begins with what the program is")
{
  const std::string help = help_text();
  CHECK(help.starts_with("slirpstack "));
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    CHECK(line.size() <= 80);
  }
  CHECK(std::ranges::count(help, '\n') <= 97);
}

TEST_CASE("the help text says what a forward looks like")
{
  const std::string help = help_text();
  for (const char* forward : {"-L 8080:80", "-L 0.0.0.0:8080::80", "-L udp://5353", "-R 5432"}) {
    CAPTURE(forward);
    CHECK(help.find(std::string("\n  ") + forward + ' ') != std::string::npos);
    const std::string text(forward);
    CHECK_NOTHROW(static_cast<void>(parse({"run", text.substr(0, 2), text.substr(3)})));
  }
}

TEST_CASE("an option too long for its column has its summary in the next line")
{
  constexpr const char* LINES = "\n  -max-flows-per-destination N\n"
                                "                             flows to one address";
  CHECK(help_text().find(LINES) != std::string::npos);
}

TEST_CASE("the version names the program")
{
  CHECK(version_text(Config()) == "slirpstack version " SLIRPSTACK_VERSION);
}

TEST_CASE("argv is read without the program's name, or without anything")
{
  const char* const argv[] = {"slirpstack", "-quiet", "77", nullptr};
  CHECK(parse_command_line(3, argv).attach.pid == 77);
  const char* const empty[] = {nullptr};
  CHECK_THROWS_AS(static_cast<void>(parse_command_line(0, empty)), UsageError);
}
