#include "flow/forward_spec.hh"

#include "base/error.hh"
#include "malformed.hh"
#include "wire/ip.hh"

#include <array>
#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace slirpstack;

namespace {

constexpr ForwardDirection L = ForwardDirection::local;
constexpr ForwardDirection R = ForwardDirection::remote;

ForwardSpec parse(std::string_view text, ForwardDirection direction = L)
{
  return ForwardSpec::parse(direction, text);
}

std::string host_text(const ForwardSpec::Host& host)
{
  if (const auto* const address = std::get_if<IpAddress>(&host)) {
    return address->to_string();
  }
  const auto* const name = std::get_if<HostName>(&host);
  return name == nullptr ? "" : name->to_string();
}

/// A side as it can be typed, with everything in brackets that may be.
std::string side_text(const ForwardSpec::Side& side)
{
  if (const auto* const unix = std::get_if<UnixPath>(&side)) {
    return fmt::format("[unix:{}]", unix->path);
  }
  const auto& place = std::get<ForwardSpec::Place>(side);
  return fmt::format("[{}{}{}]:{}",
                     host_text(place.host),
                     place.device.empty() ? "" : "%",
                     place.device,
                     place.ports ? place.ports->to_string() : "");
}

std::string text_of(const ForwardSpec& spec)
{
  std::string text = std::string(scheme_name(spec.scheme)) + "://" + side_text(spec.bind);
  char separator = ':';
  for (const auto& target : spec.targets) {
    text += separator + side_text(target);
    separator = ',';
  }
  return text;
}

ForwardDefaults defaults()
{
  return {.guest_ipv4 = *IpAddress::parse("10.0.2.100"),
          .guest_ipv6 = *IpAddress::parse("fd00::100"),
          .gateway_ipv4 = *IpAddress::parse("10.0.2.2"),
          .gateway_ipv6 = *IpAddress::parse("fd00::2")};
}

std::string filled(ForwardDirection direction, std::string_view text)
{
  return text_of(with_defaults(parse(text, direction), defaults()));
}

} // namespace

TEST_CASE("a forward is read by the number of its parts")
{
  struct Case
  {
    std::string_view text;
    std::string_view spec;
  };
  for (const Case& each : {
         Case{"", "tcp://[]:0:[]:"},
         {"80", "tcp://[]:80:[]:"},
         {"127.0.0.1:80", "tcp://[127.0.0.1]:80:[]:"},
         {"80:10.0.2.100:8080", "tcp://[]:80:[10.0.2.100]:8080"},
         {"0.0.0.0:80:10.0.2.100:8080", "tcp://[0.0.0.0]:80:[10.0.2.100]:8080"},
         {"[::1]:80:[fd00::100]:8080", "tcp://[::1]:80:[fd00::100]:8080"},
         {"[::1]:80", "tcp://[::1]:80:[]:"},
         {":80", "tcp://[]:80:[]:"},
         {":", "tcp://[]:0:[]:"},
         {"::", "tcp://[]:0:[]:"},
         {":::", "tcp://[]:0:[]:"},
         {"80::", "tcp://[]:80:[]:"},
         {":80::81", "tcp://[]:80:[]:81"},
         {"127.0.0.1::10.0.2.100:", "tcp://[127.0.0.1]:0:[10.0.2.100]:"},
         {"80:81", "tcp://[]:80:[]:81"},
         {"80:0", "tcp://[]:80:[]:0"},
         {"8000-8010:9000-9010", "tcp://[]:8000-8010:[]:9000-9010"},
         {"8000-8010:0", "tcp://[]:8000-8010:[]:0"},
         {"1-65535", "tcp://[]:1-65535:[]:"},
         {"[80]:[guest]:[81]", "tcp://[]:80:[guest]:81"},
         {"udp://53", "udp://[]:53:[]:"},
         {"udprpc://53", "udprpc://[]:53:[]:"},
         {"tcppp://443", "tcppp://[]:443:[]:"},
         {"udpspp://53", "udpspp://[]:53:[]:"},
         {"localhost:80:guest.example:81", "tcp://[localhost]:80:[guest.example]:81"},
       }) {
    CAPTURE(std::string(each.text));
    CHECK(text_of(parse(each.text)) == each.spec);
    CHECK(parse(each.text).text == each.text);
  }
}

TEST_CASE("a name may be asked of a DNS server by an SRV query")
{
  struct Case
  {
    std::string_view text;
    std::string_view name;
    HostName::Server server;
  };
  for (const Case& each : {
         Case{"80:q@srv-5353:81", "q", {"127.0.0.1", 5353}},
         {"80:[q@srv-192.0.2.1:5353]:81", "q", {"192.0.2.1", 5353}},
         {"80:[_web._tcp@srv-[::1]:53]:81", "_web._tcp", {"::1", 53}},
         {"80:[q@srv-[2001:DB8::1]]:81", "q", {"2001:db8::1", 53}},
         {"80:[q@srv-2001:db8::1]:81", "q", {"2001:db8::1", 53}},
         {"80:q@srv-192.0.2.1:81", "q", {"192.0.2.1", 53}},
         {"80:q@srv-dns-1.example:81", "q", {"dns-1.example", 53}},
       }) {
    CAPTURE(std::string(each.text));
    const ForwardSpec spec = parse(each.text, R);
    const auto& place = std::get<ForwardSpec::Place>(spec.targets.at(0));
    CHECK(std::get<HostName>(place.host)
          == HostName{.name = std::string(each.name), .server = each.server});
    CHECK(place.ports == PortRange{81, 81});
  }
}

TEST_CASE("a Unix socket may stand where a side of the host stands")
{
  struct Case
  {
    ForwardDirection direction;
    std::string_view text;
    std::string_view spec;
  };
  for (const Case& each : {
         Case{L, "unix:/run/a.sock:80", "tcp://[unix:/run/a.sock]:[]:80"},
         {L, "unix:/run/a.sock:guest:80", "tcp://[unix:/run/a.sock]:[guest]:80"},
         {L, "[unix:/a:b]:80", "tcp://[unix:/a:b]:[]:80"},
         {L, "unix:[/a:b]:80", "tcp://[unix:/a:b]:[]:80"},
         {L, "unix:@name:80,81", "tcp://[unix:@name]:[]:80,[]:81"},
         {L, "tcppp://unix:/a", "tcppp://[unix:/a]:[]:"},
         {R, "80:unix:/run/a.sock", "tcp://[]:80:[unix:/run/a.sock]"},
         {R, "10.0.2.2:80:unix:@a", "tcp://[10.0.2.2]:80:[unix:@a]"},
         {R, "8000-8010:unix:/a", "tcp://[]:8000-8010:[unix:/a]"},
         {R, ":80:[unix:/a:b,c]", "tcp://[]:80:[unix:/a:b,c]"},
         {R, "80:81,unix:/a,host:82", "tcp://[]:80:[]:81,[unix:/a],[host]:82"},
         {L, "unix:80", "tcp://[unix]:80:[]:"}, // a host of that name
       }) {
    CAPTURE(std::string(each.text));
    CHECK(text_of(parse(each.text, each.direction)) == each.spec);
  }
}

TEST_CASE("a device may be named where -L binds")
{
  CHECK(text_of(parse("[fe80::1%eth0]:80")) == "tcp://[fe80::1%eth0]:80:[]:");
  CHECK(text_of(parse("[fe80::1]%eth0:80")) == "tcp://[fe80::1%eth0]:80:[]:");
  CHECK(text_of(parse("%eth0:80")) == "tcp://[%eth0]:80:[]:");
  CHECK(text_of(parse("0.0.0.0%abcdefghijklmno:80::81"))
        == "tcp://[0.0.0.0%abcdefghijklmno]:80:[]:81");
}

TEST_CASE("empty fields are filled in, from the family that the literals are of")
{
  struct Case
  {
    ForwardDirection direction;
    std::string_view text;
    std::string_view spec;
  };
  for (const Case& each : {
         Case{L, "80", "tcp://[127.0.0.1]:80:[10.0.2.100]:80"},
         {L, "", "tcp://[127.0.0.1]:0:[10.0.2.100]:0"},
         {L, "80:0", "tcp://[127.0.0.1]:80:[10.0.2.100]:0"},
         {L, "[::]:80", "tcp://[::]:80:[fd00::100]:80"},
         {L, "80:[fd00::9]:81", "tcp://[::1]:80:[fd00::9]:81"},
         {L, "80:guest:81,[fd00::9]:82", "tcp://[::1]:80:[guest]:81,[fd00::9]:82"},
         {L, "80::,:81", "tcp://[127.0.0.1]:80:[10.0.2.100]:80,[10.0.2.100]:81"},
         {L, "%eth0:80", "tcp://[0.0.0.0%eth0]:80:[10.0.2.100]:80"},
         {L, "%eth0:80:[fd00::9]:", "tcp://[::%eth0]:80:[fd00::9]:80"},
         {L, "tcppp://unix:/a", "tcppp://[unix:/a]:[10.0.2.100]:0"},
         {L, "8000-8010", "tcp://[127.0.0.1]:8000-8010:[10.0.2.100]:8000-8010"},
         {R, "80", "tcp://[10.0.2.2]:80:[127.0.0.1]:80"},
         {R, "[fd00::2]:80", "tcp://[fd00::2]:80:[::1]:80"},
         {R, "80:[::1]:81", "tcp://[fd00::2]:80:[::1]:81"},
         {R, "80:unix:/a", "tcp://[10.0.2.2]:80:[unix:/a]"},
         {R, "80:example.org:", "tcp://[10.0.2.2]:80:[example.org]:80"},
       }) {
    CAPTURE(std::string(each.text));
    CHECK(filled(each.direction, each.text) == each.spec);
  }
}

TEST_CASE("each scheme has a name and a protocol")
{
  CHECK(scheme_name(ForwardScheme::udprpc) == "udprpc");
  CHECK(scheme_protocol(ForwardScheme::tcp) == PROTOCOL_TCP);
  CHECK(scheme_protocol(ForwardScheme::tcppp) == PROTOCOL_TCP);
  CHECK(scheme_protocol(ForwardScheme::udp) == PROTOCOL_UDP);
  CHECK(scheme_protocol(ForwardScheme::udprpc) == PROTOCOL_UDP);
  CHECK(scheme_protocol(ForwardScheme::udpspp) == PROTOCOL_UDP);
}

TEST_CASE("a spec that is printed and read again is the same")
{
  for (const std::string_view text : {"80",
                                      "tcppp://%eth0:80-90:guest:0,[fd00::9]:70-80",
                                      "udp://[::]:53:[q@srv-[::1]:53]:0",
                                      "127.0.0.1::10.0.2.100:"}) {
    CAPTURE(std::string(text));
    const std::string printed = text_of(parse(text));
    ForwardSpec again = parse(printed);
    CHECK(text_of(again) == printed);
    again.text = text;
    CHECK(again == parse(text));
  }
}

TEST_CASE("of malformed forwards each is either read or told in one line")
{
  static constexpr std::array<std::string_view, 10> SAMPLES{
    "tcp://127.0.0.1:8080:10.0.2.100:80",
    "udp://[::1]:53:[fd00::100]:5353",
    "8000-8010:9000-9010",
    "tcppp://0.0.0.0%eth0:443:guest.example:0,[fd00::9]:443",
    "unix:/run/app.sock:80",
    "80:unix:@name,unix:/run/b.sock",
    "80:[_web._tcp@srv-[::1]:53]:0",
    "80:q@srv-5353:",
    "[unix:/a:b]:[fd00::100]:80",
    "udpspp://[fe80::1%eth0]:80",
  };
  malformed::Generator generator(SAMPLES);
  int read = 0;
  for (int round = 0; round < 100'000; ++round) {
    const std::string text = generator.next();
    const ForwardDirection direction = round % 2 == 0 ? L : R;
    try {
      const ForwardSpec spec = ForwardSpec::parse(direction, text);
      ForwardSpec again = ForwardSpec::parse(direction, text_of(spec));
      again.text = text;
      REQUIRE(again == spec);
      ++read;
    } catch (const UsageError& error) {
      CAPTURE(text);
      REQUIRE(malformed::is_one_line(error.what()));
    }
  }
  CHECK(read > 1000); // or nothing but the first check would be tested
}
