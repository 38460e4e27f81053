#include "flow/host_network.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

TEST_CASE("a stream's address is told as it is typed")
{
  CHECK(to_string(StreamAddress(Endpoint{IpAddress::ipv4(0xc0000201), 80})) == "192.0.2.1:80");
  CHECK(to_string(StreamAddress(Endpoint{*IpAddress::parse("::1"), 80})) == "[::1]:80");
  CHECK(to_string(StreamAddress(UnixPath{"/run/app.sock"})) == "unix:/run/app.sock");
  CHECK(to_string(StreamAddress(UnixPath{"@app"})) == "unix:@app");
}
