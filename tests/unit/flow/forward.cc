#include "flow/forward.hh"

#include "base/error.hh"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace slirpstack;

namespace {

ForwardSpec spec(ForwardDirection direction, std::string_view text)
{
  return with_defaults(ForwardSpec::parse(direction, text),
                       {.guest_ipv4 = *IpAddress::parse("10.0.2.100"),
                        .guest_ipv6 = *IpAddress::parse("fd00::100"),
                        .gateway_ipv4 = *IpAddress::parse("10.0.2.2"),
                        .gateway_ipv6 = *IpAddress::parse("fd00::2")});
}

ResolvedName resolved(std::string_view address, std::uint16_t port = 0)
{
  return {*IpAddress::parse(address), port};
}

/// `scheme listen -> target target; …`
std::string text_of(const ForwardPlan& plan)
{
  std::string text;
  for (const LocalForward& forward : plan.local) {
    text += fmt::format("{} {}{}{} ->",
                        scheme_name(forward.scheme),
                        to_string(forward.listen.address),
                        forward.listen.device.empty() ? "" : "%",
                        forward.listen.device);
    for (const Endpoint& target : forward.targets) {
      text += fmt::format(" {}", target.to_string());
    }
    text += "; ";
  }
  for (const RemoteForward& forward : plan.remote) {
    text += fmt::format("{} {} ->", scheme_name(forward.scheme), forward.match.to_string());
    for (const Target& target : forward.targets) {
      text += fmt::format(" {}", to_string(target));
    }
    text += "; ";
  }
  return text;
}

std::string planned(ForwardDirection direction,
                    std::string_view text,
                    const std::vector<ResolvedName>& names = {})
{
  return text_of(plan_forward(spec(direction, text), names));
}

constexpr ForwardDirection L = ForwardDirection::local;
constexpr ForwardDirection R = ForwardDirection::remote;

} // namespace

TEST_CASE("-L listens on the host and goes to the guest")
{
  CHECK(planned(L, "80") == "tcp 127.0.0.1:80 -> 10.0.2.100:80; ");
  CHECK(planned(L, "80:0") == "tcp 127.0.0.1:80 -> 10.0.2.100:0; ");
  CHECK(planned(L, "") == "tcp 127.0.0.1:0 -> 10.0.2.100:0; ");
  CHECK(planned(L, "0.0.0.0%eth0:80") == "tcp 0.0.0.0:80%eth0 -> 10.0.2.100:80; ");
  CHECK(planned(L, "udp://[::]:53:[fd00::9]:54") == "udp [::]:53 -> [fd00::9]:54; ");
  CHECK(planned(L, "80:81,82,10.0.2.9:83")
        == "tcp 127.0.0.1:80 -> 10.0.2.100:81 10.0.2.100:82 10.0.2.9:83; ");
  CHECK(planned(L, "unix:/a:80") == "tcp unix:/a -> 10.0.2.100:80; ");
  CHECK(planned(L, "tcppp://unix:/a") == "tcppp unix:/a -> 10.0.2.100:0; ");
}

TEST_CASE("-R stands for a destination of the guest and goes to the host")
{
  CHECK(planned(R, "80") == "tcp 10.0.2.2:80 -> 127.0.0.1:80; ");
  CHECK(planned(R, "udp://0:127.0.0.1:53") == "udp 10.0.2.2:0 -> 127.0.0.1:53; ");
  CHECK(planned(R, "0.0.0.0:80") == "tcp 0.0.0.0:80 -> 127.0.0.1:80; ");
  CHECK(planned(R, "80:unix:/a,[::1]:81") == "tcp [fd00::2]:80 -> unix:/a [::1]:81; ");
  CHECK(planned(R, "80:example.org:81") == "tcp 10.0.2.2:80 -> example.org:81; ");
}

TEST_CASE("a range is spelled out, each port with that of the target at its place")
{
  CHECK(planned(L, "tcppp://8000-8002:9000-9002,0")
        == "tcppp 127.0.0.1:8000 -> 10.0.2.100:9000 10.0.2.100:0; "
           "tcppp 127.0.0.1:8001 -> 10.0.2.100:9001 10.0.2.100:0; "
           "tcppp 127.0.0.1:8002 -> 10.0.2.100:9002 10.0.2.100:0; ");
  CHECK(planned(R, "8000-8001:unix:/a,[::1]:9000-9001")
        == "tcp [fd00::2]:8000 -> unix:/a [::1]:9000; "
           "tcp [fd00::2]:8001 -> unix:/a [::1]:9001; ");
  const ForwardPlan all = plan_forward(spec(L, "1-65535"), {});
  REQUIRE(all.local.size() == 65535);
  CHECK(all.local.back().targets.front().port == 65535);
  CHECK(all.remote.empty());
}

TEST_CASE("target port 0 of -R is the bound port, or what an SRV record will say")
{
  CHECK(planned(R, "80-81:127.0.0.1:0")
        == "tcp 10.0.2.2:80 -> 127.0.0.1:80; tcp 10.0.2.2:81 -> 127.0.0.1:81; ");
  CHECK(planned(R, "80:example.org:0") == "tcp 10.0.2.2:80 -> example.org:80; ");
  CHECK(planned(R, "80:q@srv-53:0") == "tcp 10.0.2.2:80 -> [q@srv-127.0.0.1:53]:0; ");
  CHECK(planned(R, "80:q@srv-53:") == "tcp 10.0.2.2:80 -> [q@srv-127.0.0.1:53]:80; ");
}

TEST_CASE("the names that have to be known first are those of -L, and what -R binds")
{
  const std::vector<HostName> local
    = names_to_resolve(spec(L, "host:80:one:81,10.0.2.9:82,q@srv-53:83"));
  REQUIRE(local.size() == 3);
  CHECK(local[0].to_string() == "host");
  CHECK(local[1].to_string() == "one");
  CHECK(local[2].to_string() == "q@srv-127.0.0.1:53");
  const std::vector<HostName> remote = names_to_resolve(spec(R, "gateway:80:example.org:81"));
  REQUIRE(remote.size() == 1);
  CHECK(remote[0].to_string() == "gateway");
  CHECK(names_to_resolve(spec(L, "unix:/a:80")).empty());
  CHECK(names_to_resolve(spec(R, "80:unix:/a")).empty());
}

TEST_CASE("names are replaced in their order, and an SRV record's port counts")
{
  CHECK(planned(L,
                "host:80:one:81,10.0.2.9:82,q@srv-53:83",
                {resolved("192.0.2.1"), resolved("10.0.2.3"), resolved("10.0.2.4", 8083)})
        == "tcp 192.0.2.1:80 -> 10.0.2.3:81 10.0.2.9:82 10.0.2.4:8083; ");
  CHECK(planned(L, "q@srv-53:80", {resolved("::1", 8080)}) == "tcp [::1]:8080 -> 10.0.2.100:80; ");
  CHECK(planned(L, "80-81:q@srv-53:0", {resolved("10.0.2.4", 8083)})
        == "tcp 127.0.0.1:80 -> 10.0.2.4:8083; tcp 127.0.0.1:81 -> 10.0.2.4:8083; ");
  CHECK(planned(R, "q@srv-53:80:127.0.0.1:0", {resolved("10.0.2.7", 8080)})
        == "tcp 10.0.2.7:8080 -> 127.0.0.1:8080; ");
}

TEST_CASE("what cannot be planned is told")
{
  const auto error_of = [](const ForwardSpec& wrong, const std::vector<ResolvedName>& names) {
    try {
      return "no error: " + text_of(plan_forward(wrong, names));
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
  };
  CHECK(error_of(spec(L, "q@srv-53:80-81"), {resolved("::1", 8080)})
        == "q@srv-127.0.0.1:53: says that the port is 8080, which ports 80-81 cannot all be");
  ForwardSpec wrong = spec(L, "80");
  wrong.targets = {UnixPath{"/a"}};
  CHECK(
    error_of(wrong, {})
    == R"("unix:/a": the guest's side is an address and a port; only the host's can be a Unix socket)");
  wrong = spec(R, "80:unix:/a");
  wrong.scheme = ForwardScheme::udp;
  CHECK(error_of(wrong, {}) == R"("unix:/a": a Unix socket carries streams, not udp)");
}
