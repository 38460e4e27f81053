#include "guest/resolv_conf.hh"

#include <array>
#include <doctest/doctest.h>

using namespace slirpstack;

namespace {

const std::array<IpAddress, 2> SERVERS{IpAddress::parse("10.0.2.3").value(),
                                       IpAddress::parse("fd00::3").value()};

/// Without the comment it starts with.
std::string lines_of(std::string_view host_text)
{
  const std::string text = resolv_conf_text(SERVERS, host_text);
  REQUIRE(text.starts_with("#"));
  return text.substr(text.find('\n') + 1);
}

} // namespace

TEST_CASE("the guest's resolv.conf names our servers in order")
{
  CHECK(lines_of("") == "nameserver 10.0.2.3\nnameserver fd00::3\n");
}

TEST_CASE("the host's search list and options go with the guest, its servers do not")
{
  CHECK(lines_of("# made by hand\n"
                 "nameserver 127.0.0.53\n"
                 "options edns0 ndots:2\n"
                 "search corp.example example\n"
                 " search indented.example\n"
                 "searching for.example\n"
                 "sortlist 192.0.2.0\n"
                 "domain last.example")
        == "nameserver 10.0.2.3\nnameserver fd00::3\n"
           "options edns0 ndots:2\nsearch corp.example example\ndomain last.example\n");
}
