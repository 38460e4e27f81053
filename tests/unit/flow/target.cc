#include "flow/target.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

TEST_CASE("a target is told as it is typed")
{
  const auto text = [](const Target& target) { return to_string(target); };
  CHECK(text(Endpoint{IpAddress::ipv4(0xc0000201), 80}) == "192.0.2.1:80");
  CHECK(text(UnixPath{"/run/app.sock"}) == "unix:/run/app.sock");
  CHECK(text(NamedTarget{{.name = "example.org", .server = {}}, 80}) == "example.org:80");
  CHECK(text(NamedTarget{{.name = "_web._tcp", .server = HostName::Server{"192.0.2.3", 5353}}, 0})
        == "[_web._tcp@srv-192.0.2.3:5353]:0");
}
