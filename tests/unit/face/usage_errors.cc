#include "base/error.hh"
#include "base/file_descriptor.hh"
#include "face/native_command_line.hh"
#include "face/options.hh"
#include "face/start_checks.hh"

#include <array>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace slirpstack;

namespace {

using Words = std::vector<std::string>;

struct Case
{
  Words words;
  const char* text;
};

template<typename Act>
std::string error_of(Act act)
{
  try {
    act();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

void expect(std::initializer_list<Case> cases)
{
  for (const Case& each : cases) {
    CAPTURE(std::string(each.text));
    CHECK(error_of([&] { static_cast<void>(parse_command_line(each.words)); }) == each.text);
  }
}

std::string descriptor_error(const char* flag, int number)
{
  const Words words{flag, std::to_string(number), "-interface=tun0"};
  return error_of([&] { check_descriptors(parse_command_line(words)); });
}

} // namespace

TEST_CASE("a wrong value is named with its flag and what would be right")
{
  expect({
    {{"-mtu", "67"}, R"(invalid value "67" for flag -mtu: must be a number from 68 to 65521)"},
    {{"-mtu="}, R"(invalid value "" for flag -mtu: must be a number from 68 to 65521)"},
    {{"-mtu", "65522"},
     R"(invalid value "65522" for flag -mtu: must be a number from 68 to 65521)"},
    {{"-cidr", "10.0.2.9/24"},
     R"(invalid value "10.0.2.9/24" for flag -cidr: must be a network address: 10.0.2.0/24)"},
    {{"-cidr6", "x"},
     R"(invalid value "x" for flag -cidr6: must be an IPv6 network such as fd00::/64)"},
    {{"-interface", "a/b"},
     R"(invalid value "a/b" for flag -interface: must be an interface name of 1 to 15 characters, without '/', ':', '%' or blanks)"},
    {{"-source-ipv4", "::1"},
     R"(invalid value "::1" for flag -source-ipv4: must be an IPv4 address)"},
    {{"-source-ipv6", "192.0.2.1"},
     R"(invalid value "192.0.2.1" for flag -source-ipv6: must be an IPv6 address)"},
    {{"-udp-filter", "none"},
     R"(invalid value "none" for flag -udp-filter: must be one of endpoint, address, port)"},
    {{"-latency", "Low"}, R"(invalid value "Low" for flag -latency: must be one of normal, low)"},
    {{"-log-level", "warn"},
     R"(invalid value "warn" for flag -log-level: must be one of error, warning, info, debug)"},
    {{"-log-format", ""}, R"(invalid value "" for flag -log-format: must be one of text, json)"},
    {{"-max-flows", "0"},
     R"(invalid value "0" for flag -max-flows: must be a number from 1 to 100000000)"},
    {{"-max-memory", "1023K"},
     R"(invalid value "1023K" for flag -max-memory: must be bytes from 1M to 1024G, with K, M or G for 1024s)"},
  });
}

TEST_CASE("an empty value is no way to leave an option out")
{
  for (const char* flag :
       {"rules", "map-file", "control", "pcap", "userns", "source-ipv4", "source-ipv6", "m"}) {
    CHECK(error_of([&] {
            static_cast<void>(parse_command_line(Words{fmt::format("-{}", flag), "", "run"}));
          })
          == fmt::format("invalid value \"\" for flag -{}: must not be empty", flag));
  }
  expect({{{"-proxy-out=", "1"}, R"(invalid value "" for flag -proxy-out: must be one of v1, v2)"},
          {{"-netns=", "1"}, "no error"}});
}

TEST_CASE("values that would do something else than was meant are refused")
{
  expect({
    {{"run", "-pcap", "-"},
     R"(invalid value "-" for flag -pcap: must be a file; standard output is /dev/stdout)"},
    {{"run", "-pcap", "--", "true"}, "flag needs an argument: -pcap"},
    {{"run", "-control", "--", "true"}, "flag needs an argument: -control"},
    {{"-control", "@name", "1"},
     R"(invalid value "@name" for flag -control: must be a file's path; an abstract name has no permissions)"},
    {{"-control-restricted", "@name:fd00:1::/64", "1"},
     R"(invalid value "@name:fd00:1::/64" for flag -control-restricted: must be a file's path; an abstract name has no permissions)"},
    {{"run", "-configure=false", "--", "true"},
     "-configure=false cannot be used with run: the namespace that it makes has no interface yet"},
    {{"-maxprocs=bogus", "1"},
     R"(invalid value "bogus" for flag -maxprocs: must be a number from 0 to 2147483647)"},
    {{"-dns", "127.0.0.1", "1"},
     R"(invalid value "127.0.0.1" for flag -dns: must be an ordinary unicast address such as 10.0.2.3 or fd00::3)"},
    {{"-dns", "resolver", "1"},
     R"(invalid value "resolver" for flag -dns: must be an ordinary unicast address such as 10.0.2.3 or fd00::3)"},
  });
}

TEST_CASE("a timeout is whole seconds and less than a month")
{
  for (const char* flag : {"tcp-timeout",
                           "tcp-opening-timeout",
                           "tcp-closing-timeout",
                           "udp-timeout",
                           "dns-timeout",
                           "ping-timeout"}) {
    for (const char* value : {"0", "0s", "300ms", "1500ms", "721h", "2592001"}) {
      const std::string expected = "invalid value \"" + std::string(value) + "\" for flag -" + flag
                                   + ": must be whole seconds from 1s to 720h";
      CHECK(error_of([&] {
              static_cast<void>(parse_command_line(Words{std::string("-") + flag, value, "1"}));
            })
            == expected);
    }
  }
  expect(
    {{{"-udp-timeout", "soon"},
      R"(invalid value "soon" for flag -udp-timeout: must be a duration such as 90s, 5m or 1h30m)"},
     {{"-udp-timeout", "-1s"},
      R"(invalid value "-1s" for flag -udp-timeout: must be a duration such as 90s, 5m or 1h30m)"}});
}

TEST_CASE("a descriptor is a number")
{
  for (const char* flag : {"fd", "ready-fd", "exit-fd"}) {
    for (const char* value : {"", "-2", "x", "2147483648"}) {
      const std::string expected = "invalid value \"" + std::string(value) + "\" for flag -" + flag
                                   + ": must be a number from 0 to 2147483647";
      CHECK(error_of([&] {
              static_cast<void>(parse_command_line(Words{std::string("-") + flag, value, "1"}));
            })
            == expected);
    }
  }
}

TEST_CASE("mistakes in forwards and rules are told with their flag")
{
  expect({
    {{"-L", "sctp://80"},
     R"(invalid value "sctp://80" for flag -L: unknown scheme "sctp": must be tcp, udp, udprpc, tcppp or udpspp)"},
    {{"-R", "x:y"}, R"(invalid value "x:y" for flag -R: "y" is no port (1-65535))"},
    {{"-allow", "1.2.3.4,tcp://[::1"},
     R"(invalid value "1.2.3.4,tcp://[::1" for flag -allow: "tcp://[::1": must be HOST or HOST:PORTS; IPv6 goes in brackets, as in [2001:db8::/32])"},
    {{"-deny", "1.2.3.4:9-8"},
     R"(invalid value "1.2.3.4:9-8" for flag -deny: ports "9-8": the first is greater than the last)"},
    {{"-proxy-out", "v3"}, R"(invalid value "v3" for flag -proxy-out: must be one of v1, v2)"},
    {{"-m", "127.0.0.1:80"},
     R"(invalid value "127.0.0.1:80" for flag -m: must be tcp://IP:PORT or unix:PATH)"},
    {{"-metrics", "unix://run/x"},
     R"(invalid value "unix://run/x" for flag -metrics: Unix socket path "run/x": must begin with '/', or with '@' for an abstract name)"},
    {{"--local-forward", "x"},
     R"(invalid value "x" for flag -local-forward: "x" is no port (1-65535))"},
    {{"-enable-routing", "-disable-routing", "-interface=tun0"},
     "-enable-routing cannot be used with -disable-routing: each says where the rest may go"},
  });
}

TEST_CASE("a forward that names nothing is a value that was forgotten")
{
  expect({
    {{"run", "-L", ""},
     R"(invalid value "" for flag -L: must name a port; 0 is one of the host's choice)"},
    {{"run", "-L", "tcp://"},
     R"(invalid value "tcp://" for flag -L: must name a port; 0 is one of the host's choice)"},
    {{"run", "-R", ""}, R"(invalid value "" for flag -R: must name a port)"},
    {{"run", "-R=:"}, R"(invalid value ":" for flag -R: must name a port)"},
    {{"run", "-L", "0"}, "no error"},
  });
  const std::array<const char*, 3> there{"slirpnetstack", "-L", ""};
  CHECK(error_of([&] { static_cast<void>(parse_command_line(3, there.data())); }) == "no error");
}

TEST_CASE("an unknown flag gets Go's text, then the nearest name")
{
  expect({
    {{"-netn", "x"}, "flag provided but not defined: -netn (did you mean -netns?)"},
    {{"run", "-mtuu", "9"}, "flag provided but not defined: -mtuu (did you mean -mtu?)"},
    {{"-enable-pings"}, "flag provided but not defined: -enable-pings"},
    {{"-l", "8080"}, "flag provided but not defined: -l"},
    {{"-netns"}, "flag needs an argument: -netns"},
    {{"-quiet=2", "1"}, R"(invalid boolean value "2" for -quiet: must be true or false)"},
  });
}

TEST_CASE("what does not go together is told with the reason")
{
  expect({
    {{"-fd", "3", "-netns", "a"},
     "-fd cannot be used with -netns: the guest is at the other end of the socket"},
    {{"-fd", "3", "-userns", "a"},
     "-fd cannot be used with -userns: the guest is at the other end of the socket"},
    {{"-fd", "3", "-configure"},
     "-fd cannot be used with -configure: the guest is at the other end of the socket"},
    {{"-fd", "3", "9"},
     "-fd cannot be used with a process id: the guest is at the other end of the socket"},
    {{"-netns", "a", "9"},
     "-netns cannot be used with a process id: each names the namespace to serve"},
    {{"-netns=a", "run"}, "-netns cannot be used with run: run makes the namespace of its command"},
    {{"run", "-userns=a"},
     "-userns cannot be used with run: run makes the namespace of its command"},
    {{"run", "-fd=3"}, "-fd cannot be used with run: run makes the namespace of its command"},
    {{"-interface=tun0", "-userns=a"}, "-userns needs -netns or a process id"},
    {{"-interface=tun0", "-configure"}, "-configure needs -netns or a process id"},
    {{"-ready-fd=3", "-exit-fd=3", "1"},
     "-ready-fd cannot be used with -exit-fd: both name descriptor 3"},
    {{"-fd=3", "-ready-fd=3"}, "-fd cannot be used with -ready-fd: both name descriptor 3"},
    {{"-fd=3", "-exit-fd=3"}, "-fd cannot be used with -exit-fd: both name descriptor 3"},
  });
}

TEST_CASE("a command line without a guest names the ways to have one")
{
  constexpr const char* TEXT
    = R"(nothing to serve: use "slirpstack run [COMMAND]", "slirpstack PID" or "slirpstack -netns PATH" (-help tells more))";
  expect({{{}, TEXT}, {{"-quiet"}, TEXT}, {{"-netns", ""}, TEXT}, {{"-configure"}, TEXT}});
}

TEST_CASE("what stands in the place of the process id is told apart")
{
  constexpr const char* NAME
    = "must be a number above 0; -netns takes the name of a namespace, run takes "
      "a command";
  for (const char* operand : {"bash", "0", "-", "", "2147483648", "12x"}) {
    CAPTURE(operand);
    CHECK(error_of([&] { static_cast<void>(parse_command_line(Words{operand})); })
          == "invalid process id \"" + std::string(operand) + "\": " + NAME);
  }
  expect({
    {{"/proc/1/ns/net"},
     R"(invalid process id "/proc/1/ns/net": must be a number above 0; -netns takes the path of a namespace)"},
    {{"12", "-configure"}, R"(flag "-configure" after process id 12: flags go before it)"},
    {{"12", "13"}, R"(unexpected argument "13" after process id 12: give one process)"},
  });
}

TEST_CASE("a descriptor has to be open")
{
  // The highest number that there can be is never in use.
  constexpr int CLOSED = 2147483647;
  for (const char* flag : {"ready-fd", "exit-fd", "fd"}) {
    CHECK(descriptor_error((std::string("-") + flag).c_str(), CLOSED)
          == "invalid value \"2147483647\" for flag -" + std::string(flag)
               + ": must be an open descriptor");
  }
}

TEST_CASE("a readiness descriptor has to be writable")
{
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const FileDescriptor reader(ends[0]);
  const FileDescriptor writer(ends[1]);
  CHECK(descriptor_error("-ready-fd", reader.get())
        == "invalid value \"" + std::to_string(reader.get())
             + "\" for flag -ready-fd: must be open for writing");
  CHECK(descriptor_error("-ready-fd", writer.get()) == "no error");
  CHECK(descriptor_error("-exit-fd", reader.get()) == "no error");
}

TEST_CASE("an exit descriptor has to be one that can be waited for")
{
  const FileDescriptor file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  CHECK(descriptor_error("-exit-fd", file.get())
        == "invalid value \"" + std::to_string(file.get())
             + "\" for flag -exit-fd: must be a pipe or a socket, no file");
}

TEST_CASE("a guest behind a socket needs one that keeps frames apart")
{
  const auto socket_error = [](int type) {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends.data()) == 0);
    const FileDescriptor ours(ends[0]);
    const FileDescriptor theirs(ends[1]);
    const Words words{"-fd", std::to_string(ours.get())};
    const std::string error = error_of([&] { check_descriptors(parse_command_line(words)); });
    return error.substr(error.find(": ") == std::string::npos ? 0 : error.find(": ") + 2);
  };
  CHECK(socket_error(SOCK_DGRAM) == "no error");
  CHECK(socket_error(SOCK_SEQPACKET) == "no error");
  CHECK(socket_error(SOCK_STREAM)
        == "must be a datagram socket, an Ethernet frame in each datagram");
}
