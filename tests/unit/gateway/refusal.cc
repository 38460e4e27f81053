#include "gateway/refusal.hh"

#include <cerrno>
#include <doctest/doctest.h>

namespace slirpstack {

namespace {

using enum IcmpErrorKind;

HostError local_error(int errno_value)
{
  return {{errno_value, std::generic_category()}, std::nullopt};
}

HostError reported(int errno_value, Family family, std::uint8_t type, std::uint8_t code)
{
  HostError error = local_error(errno_value);
  error.icmp = HostError::Icmp{.family = family, .type = type, .code = code};
  return error;
}

} // namespace

TEST_CASE("each cause has an answer for TCP and one for datagrams")
{
  struct Row
  {
    int cause;
    ConnectionRefusal connection;
    IcmpErrorKind datagram;
  };
  const Row rows[]{
    {ECONNREFUSED, Reset{}, port_unreachable},
    {ECONNRESET, Reset{}, port_unreachable},
    {ENETUNREACH, Unreachable{net_unreachable}, net_unreachable},
    {EADDRNOTAVAIL, Unreachable{net_unreachable}, net_unreachable},
    {EAFNOSUPPORT, Unreachable{net_unreachable}, net_unreachable},
    {EHOSTUNREACH, Unreachable{host_unreachable}, host_unreachable},
    {EHOSTDOWN, Unreachable{host_unreachable}, host_unreachable},
    {ETIMEDOUT, Unreachable{host_unreachable}, host_unreachable},
    {ENETDOWN, Unreachable{host_unreachable}, host_unreachable},
    {EACCES, Unreachable{administratively_prohibited}, administratively_prohibited},
    {EPERM, Unreachable{administratively_prohibited}, administratively_prohibited},
    {EMFILE, Reset{}, administratively_prohibited},
    {ENFILE, Reset{}, administratively_prohibited},
    {ENOBUFS, Reset{}, administratively_prohibited},
    {ENOMEM, Reset{}, administratively_prohibited},
    {EADDRINUSE, Reset{}, administratively_prohibited},
    {EMSGSIZE, Unreachable{fragmentation_needed}, fragmentation_needed},
    {EIO, Unreachable{host_unreachable}, host_unreachable},
  };
  for (const Row& row : rows) {
    CAPTURE(row.cause);
    CHECK(refuse_connection(local_error(row.cause)) == row.connection);
    CHECK(refuse_datagram(local_error(row.cause)) == Unreachable{row.datagram});
  }
}

TEST_CASE("the ICMP message behind an error says more than its errno")
{
  const HostError prohibited = reported(EHOSTUNREACH, Family::ipv4, 3, 13);
  CHECK(refuse_connection(prohibited)
        == ConnectionRefusal(Unreachable{administratively_prohibited}));
  CHECK(refuse_datagram(reported(EHOSTUNREACH, Family::ipv4, 11, 0)).kind == time_exceeded);
  CHECK(refuse_datagram(reported(EACCES, Family::ipv6, 1, 4)).kind == port_unreachable);
}

TEST_CASE("an unreachable port or protocol resets a connection")
{
  CHECK(refuse_connection(reported(ECONNREFUSED, Family::ipv4, 3, 3))
        == ConnectionRefusal(Reset{}));
  CHECK(refuse_connection(reported(ENOPROTOOPT, Family::ipv4, 3, 2)) == ConnectionRefusal(Reset{}));
}

TEST_CASE("the path's MTU is told, by a router's message or by the host's own kernel")
{
  HostError by_router = reported(EMSGSIZE, Family::ipv4, 3, 4);
  by_router.icmp->mtu_bytes = 1400;
  CHECK(refuse_datagram(by_router) == Unreachable{fragmentation_needed, 1400});
  HostError by_kernel = reported(EMSGSIZE, Family::ipv6, 0, 0);
  by_kernel.icmp->mtu_bytes = 1492;
  CHECK(refuse_datagram(by_kernel) == Unreachable{fragmentation_needed, 1492});
}

} // namespace slirpstack
