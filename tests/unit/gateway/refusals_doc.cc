// Prints the table of refusals as Markdown, and fails if the file named on the command line says
// something else. To renew it: build/tests/unit/refusals-doc >docs/refusals.md

#include "gateway/refusal.hh"

#include <cerrno>
#include <fmt/format.h>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>

namespace slirpstack {

namespace {

struct Cause
{
  std::string_view name;
  std::string_view meaning;
  int errno_value;
};

constexpr std::array<Cause, 18> CAUSES{{
  {"ECONNREFUSED", "nobody listens there", ECONNREFUSED},
  {"ECONNRESET", "the far end broke off", ECONNRESET},
  {"ENETUNREACH", "the host has no route", ENETUNREACH},
  {"EADDRNOTAVAIL", "the host has no address of the family, or no port left", EADDRNOTAVAIL},
  {"EAFNOSUPPORT", "the host does not speak the family", EAFNOSUPPORT},
  {"EHOSTUNREACH", "a router, or the last one's neighbour discovery, gave up", EHOSTUNREACH},
  {"EHOSTDOWN", "the neighbour does not answer", EHOSTDOWN},
  {"ETIMEDOUT", "the far end does not answer", ETIMEDOUT},
  {"ENETDOWN", "the host's interface is down", ENETDOWN},
  {"EACCES", "a rule of the host forbids it; no ping sockets allowed", EACCES},
  {"EPERM", "the host's firewall forbids it", EPERM},
  {"EMSGSIZE", "larger than the path's MTU", EMSGSIZE},
  {"EMFILE", "the process is out of descriptors", EMFILE},
  {"ENFILE", "the host is out of descriptors", ENFILE},
  {"ENOBUFS", "the flow table or the host is full", ENOBUFS},
  {"ENOMEM", "out of memory", ENOMEM},
  {"EADDRINUSE", "no local port is free", EADDRINUSE},
  {"any other", "", EIO},
}};

std::string_view kind_name(IcmpErrorKind kind)
{
  switch (kind) {
    case IcmpErrorKind::net_unreachable:
      return "network unreachable";
    case IcmpErrorKind::host_unreachable:
      return "host unreachable";
    case IcmpErrorKind::protocol_unreachable:
      return "protocol unreachable";
    case IcmpErrorKind::port_unreachable:
      return "port unreachable";
    case IcmpErrorKind::fragmentation_needed:
      return "fragmentation needed, with the MTU";
    case IcmpErrorKind::administratively_prohibited:
      return "administratively prohibited";
    case IcmpErrorKind::time_exceeded:
      return "time exceeded";
    case IcmpErrorKind::reassembly_time_exceeded:
      break;
  }
  return "reassembly time exceeded";
}

std::string answer_text(const Unreachable& answer)
{
  const IcmpTypeCode ipv4 = icmp_type_code(Family::ipv4, answer.kind);
  const IcmpTypeCode ipv6 = icmp_type_code(Family::ipv6, answer.kind);
  return fmt::format(
    "{} ({}/{}, {}/{})", kind_name(answer.kind), ipv4.type, ipv4.code, ipv6.type, ipv6.code);
}

std::string answer_text(const ConnectionRefusal& answer)
{
  const auto* const unreachable = std::get_if<Unreachable>(&answer);
  return unreachable == nullptr ? "RST" : answer_text(*unreachable);
}

/// What a Linux guest's connect(), or a send() after an ICMP error, returns: icmp_err_convert and
/// icmpv6_err_convert of its kernel.
std::string_view guest_errno(Family family, const Unreachable& answer)
{
  const bool is_ipv4 = family == Family::ipv4;
  switch (answer.kind) {
    case IcmpErrorKind::net_unreachable:
      return "ENETUNREACH";
    case IcmpErrorKind::port_unreachable:
      return "ECONNREFUSED";
    case IcmpErrorKind::protocol_unreachable:
      return is_ipv4 ? "ENOPROTOOPT" : "EPROTO";
    case IcmpErrorKind::fragmentation_needed:
      return "EMSGSIZE";
    case IcmpErrorKind::administratively_prohibited:
      return is_ipv4 ? "EHOSTUNREACH" : "EACCES";
    default:
      return "EHOSTUNREACH";
  }
}

std::string errno_text(const Unreachable& answer)
{
  const std::string_view ipv4 = guest_errno(Family::ipv4, answer);
  const std::string_view ipv6 = guest_errno(Family::ipv6, answer);
  return ipv4 == ipv6 ? std::string(ipv4) : fmt::format("{}, over IPv6 {}", ipv4, ipv6);
}

std::string errno_text(const ConnectionRefusal& answer)
{
  const auto* const unreachable = std::get_if<Unreachable>(&answer);
  return unreachable == nullptr ? "ECONNREFUSED" : errno_text(*unreachable);
}

std::string document()
{
  std::string text
    = "# What the guest sees when the host cannot\n\n"
      "An error of the host's network becomes what a router or the far end would have sent. The\n"
      "numbers are ICMP's type/code, then ICMPv6's. An ICMP message that the host itself got is\n"
      "passed on as it is, in its sender's name; to TCP an unreachable port or protocol is a RST.\n"
      "A test keeps this page equal to the code.\n\n"
      "| the host says | because | TCP answer | connect() in the guest | UDP and ping answer "
      "| error in the guest |\n"
      "|---|---|---|---|---|---|\n";
  for (const Cause& cause : CAUSES) {
    const HostError error{{cause.errno_value, std::generic_category()}, std::nullopt};
    const ConnectionRefusal connection = refuse_connection(error);
    const Unreachable datagram = refuse_datagram(error);
    text += fmt::format("| {} | {} | {} | {} | {} | {} |\n",
                        cause.name,
                        cause.meaning,
                        answer_text(connection),
                        errno_text(connection),
                        answer_text(datagram),
                        errno_text(datagram));
  }
  return text;
}

} // namespace

} // namespace slirpstack

int main(int argc, char** argv)
{
  const std::string expected = slirpstack::document();
  std::cout << expected;
  if (argc < 2) {
    return 0;
  }
  std::ifstream file(argv[1]);
  std::stringstream committed;
  committed << file.rdbuf();
  if (committed.str() == expected) {
    return 0;
  }
  std::cerr << argv[1] << " differs from the code; write the text above into it\n";
  return 1;
}
