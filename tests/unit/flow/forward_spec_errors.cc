#include "base/error.hh"
#include "flow/forward_spec.hh"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace slirpstack;

namespace {

constexpr ForwardDirection L = ForwardDirection::local;
constexpr ForwardDirection R = ForwardDirection::remote;

std::string error_of(ForwardDirection direction, std::string_view text)
{
  try {
    static_cast<void>(ForwardSpec::parse(direction, text));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

} // namespace

TEST_CASE("what is no port, scheme or query is told with what would be right")
{
  struct Case
  {
    std::string_view text;
    std::string_view error;
  };
  for (const Case& each : {
         Case{"sctp://80", R"(unknown scheme "sctp": must be tcp, udp, udprpc, tcppp or udpspp)"},
         {"://80", R"(unknown scheme "": must be tcp, udp, udprpc, tcppp or udpspp)"},
         {"x", R"("x" is no port (1-65535))"},
         {"-5", R"("-5" is no port (1-65535))"},
         {"80-", R"("80-" is no range of ports such as 8000-8010)"},
         {"80-81-82", R"("80-81-82" is no range of ports such as 8000-8010)"},
         {"65536", R"("65536" is no port (1-65535))"},
         {"99999999999999999999999", R"("99999999999999999999999" is no port (1-65535))"},
         {"80:host:y", R"("y" is no port (1-65535))"},
         {"8 0", R"("8 0" is no port (1-65535))"},
         {"8\n0", R"("8\n0" is no port (1-65535))"},
         {"80:q@a-53:81", R"("q@a-53": a query is QUERY@srv-SERVER)"},
         {"80:q@example.org:81", R"("q@example.org": a query is QUERY@srv-SERVER)"},
       }) {
    CAPTURE(std::string(each.text));
    CHECK(error_of(L, each.text) == each.error);
  }
}

TEST_CASE("who writes a forward as for another program is told how it is written here")
{
  struct Case
  {
    ForwardDirection direction;
    std::string_view text;
    std::string_view error;
  };
  for (
    const Case& each : {
      Case{L,
           "0.0.0.0:8080:80",
           R"("0.0.0.0" is no port (1-65535); address, port and guest port is 0.0.0.0:8080::80)"},
      {L,
       "udp://[::1]:53:5353",
       R"("::1" is no port (1-65535); address, port and guest port is udp://[::1]:53::5353)"},
      {L,
       "localhost:80:81",
       R"("localhost" is no port (1-65535); address, port and guest port is localhost:80::81)"},
      {R,
       "192.0.2.1:80:81",
       R"("192.0.2.1" is no port (1-65535); address, port and host port is 192.0.2.1:80::81)"},
      {R, "0.0.0.0:80:81", R"("0.0.0.0" is no port (1-65535); port and host port is 80:81)"},
      {L,
       "8080:10.0.2.100",
       R"("10.0.2.100" is no port (1-65535); port, target address and target port is 8080:10.0.2.100:8080)"},
      {L, "8080/udp", R"("8080/udp" is no port (1-65535); UDP is udp://8080)"},
      {L, "8080:80/tcp", R"("80/tcp" is no port (1-65535); TCP is 8080:80)"},
      {L, "udp://8080/udp", R"("8080/udp" is no port (1-65535))"},
      {L, "bogus", R"("bogus" is no port (1-65535))"},
      {L, "1.2.3.4:a:b", R"("1.2.3.4" is no port (1-65535))"},
    }) {
    CAPTURE(std::string(each.text));
    CHECK(error_of(each.direction, each.text) == each.error);
  }
}

TEST_CASE("the forwards that mistakes are answered with are none")
{
  for (const char* text : {"0.0.0.0:8080::80", "8080:10.0.2.100:8080", "udp://8080", "8080:80"}) {
    CAPTURE(text);
    CHECK(error_of(L, text) == "no error");
  }
}

TEST_CASE("other mistakes have a clear text of their own")
{
  struct Case
  {
    ForwardDirection direction;
    std::string_view text;
    std::string_view error;
  };
  for (
    const Case& each : {
      Case{
        L,
        "a:1:b:2:c",
        R"("a:1:b:2:c": has too many parts (IPv6 addresses, and paths with a colon, go in brackets))"},
      {L,
       "8080:10.0.2.100:80:90:100",
       R"("8080:10.0.2.100:80:90:100": has too many parts (IPv6 addresses, and paths with a colon, go in brackets))"},
      {L, "::1:80", R"(host "1": is neither an address nor a name)"},
      {L, "[::1:80", R"("[::1:80": the brackets do not pair)"},
      {L, "::1]:80", R"("::1]:80": the brackets do not pair)"},
      {L, "90-80", R"(ports "90-80": the first is greater than the last)"},
      {L, "0-80", R"(ports "0-80": a range begins at 1, as 0 means any)"},
      {L, "8000-8010:9000-9005", R"(target ports "9000-9005": are 6, but those that are bound 11)"},
      {L, "8000-8010:9000", R"(target ports "9000": are 1, but those that are bound 11)"},
      {L, "80:9000-9001", R"(target ports "9000-9001": are 2, but those that are bound 1)"},
      {L, "a b:80", R"(host "a b": is neither an address nor a name)"},
      {L, "80:10.0.0.300:81", R"(host "10.0.0.300": is neither an address nor a name)"},
      {L, "80:[[::1]]:81", R"(host "[::1]": is neither an address nor a name)"},
      {L, "80:q@srv:81", R"("q@srv": names no DNS server: QUERY@srv-SERVER)"},
      {L, "80:q@srv-:81", R"("q@srv-": names no DNS server: QUERY@srv-SERVER)"},
      {L, "80:@srv-53:81", R"("@srv-53": "" is no name to ask for)"},
      {L, "80:q@srv-0:81", R"("q@srv-0": a DNS server has no port 0)"},
      {L, "80:q@srv-99999:81", R"("99999" is no port (1-65535))"},
      {L, "80:[q@srv-a_/b:53]:81", R"(DNS server "a_/b": is neither an address nor a name)"},
      {L, "80:[q@srv-a:b:c]:81", R"(DNS server "a:b:c": must be PORT, HOST or HOST:PORT)"},
      {L, "unix:/a", R"("unix:/a": has no port for the target to take over; name one)"},
      {L, "unix:/a:0", R"("unix:/a": has no port for the target to take over; name one)"},
      {L, "unix:/a:80-81", R"(target ports "80-81": are 2, but those that are bound 1)"},
      {L,
       "unix:run:80",
       R"(Unix socket path "run": must begin with '/', or with '@' for an abstract name)"},
      {L,
       "unix::80",
       R"(Unix socket path "": must begin with '/', or with '@' for an abstract name)"},
      {L, "unix:@:80", R"(Unix socket path "@": has no name)"},
      {L, "unix:/a\tb:80", R"(Unix socket path "/a\tb": has a control character)"},
      {L,
       "80:unix:/a:81",
       R"(unix:/a stands for a side of its own: no address and no port go with it)"},
      {L,
       "80:unix:/a",
       R"("unix:/a": the guest's side is an address and a port; only the host's can be a Unix socket)"},
      {R,
       "unix:/a:80",
       R"("unix:/a": the guest's side is an address and a port; only the host's can be a Unix socket)"},
      {R, "udp://80:unix:/a", R"("unix:/a": a Unix socket carries streams, not udp)"},
      {L, "udpspp://unix:/a:80", R"("unix:/a": a Unix socket carries streams, not udpspp)"},
      {L,
       "%:80",
       R"(device "": must be an interface name of 1 to 15 characters, without '/', ':', '%' or blanks)"},
      {L,
       "%abcdefghijklmnop:80",
       R"(device "abcdefghijklmnop": must be an interface name of 1 to 15 characters, without '/', ':', '%' or blanks)"},
      {L, "80:guest%eth0:81", R"(device "eth0": only where -L binds can a device be named)"},
      {R, "%eth0:80", R"(device "eth0": the guest's side has no devices of the host)"},
      {L, "80,81", R"(target "81": a further target needs a first one before it)"},
      {L, "80:81,", R"("80:81,": has an empty target)"},
      {L,
       "80:81,a:b:c",
       R"("a:b:c": has too many parts (IPv6 addresses, and paths with a colon, go in brackets))"},
    }) {
    CAPTURE(std::string(each.text));
    CHECK(error_of(each.direction, each.text) == each.error);
  }
  const std::string path(107, 'a');
  CHECK(error_of(L, "unix:/" + path + ":80")
        == "Unix socket path \"/" + path + "\": is longer than 107 bytes");
}

TEST_CASE("there may be 64 targets and no more")
{
  std::string text = "80:1";
  for (int port = 2; port <= 64; ++port) {
    text += fmt::format(",{}", port);
  }
  CHECK(ForwardSpec::parse(L, text).targets.size() == 64);
  CHECK(error_of(L, text + ",65") == "more than 64 targets");
}
