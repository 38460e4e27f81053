#include "flow/name_resolver.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

TEST_CASE("a name to look up is told as it is typed")
{
  CHECK(HostName{.name = "example.org", .server = {}}.to_string() == "example.org");
  CHECK(HostName{.name = "_web._tcp", .server = HostName::Server{"127.0.0.1", 5353}}.to_string()
        == "_web._tcp@srv-127.0.0.1:5353");
  CHECK(HostName{.name = "q", .server = HostName::Server{"::1", 53}}.to_string()
        == "q@srv-[::1]:53");
}

TEST_CASE("a host's name is labels of letters, digits, hyphens and underscores")
{
  const std::string label(63, 'a');
  const std::string longest
    = label + "." + label + "." + label + "." + std::string(61, 'a'); // 253 in all
  for (const std::string& name : {std::string("example.org"),
                                  std::string("localhost"),
                                  std::string("example.org."),
                                  std::string("_web._tcp.Example.org"),
                                  std::string("xn--bcher-kva.example"),
                                  std::string("1.2.3.4.in-addr.arpa"),
                                  std::string("3com"),
                                  std::string("0x7g"),
                                  label,
                                  longest,
                                  longest + "."}) {
    CAPTURE(name);
    CHECK(is_host_name(name));
  }
  for (const std::string& text : {std::string(),
                                  std::string("."),
                                  std::string(".org"),
                                  std::string("example..org"),
                                  std::string("example.org.."),
                                  std::string("-a"),
                                  std::string("a-"),
                                  std::string("a-.org"),
                                  std::string("a b"),
                                  std::string("a@b"),
                                  std::string("a:b"),
                                  std::string("b\u00fccher"),
                                  std::string("a\0b", 3),
                                  std::string("300.1.1.1"),
                                  std::string("10.0.0.1"),
                                  std::string("80"),
                                  std::string("0x7f000001"),
                                  std::string("1.0X7F"),
                                  label + "a",
                                  longest + "a"}) {
    CAPTURE(text);
    CHECK_FALSE(is_host_name(text));
  }
}
