#include "gateway/refusal.hh"

#include <array>
#include <optional>

namespace slirpstack {

namespace {

using enum IcmpErrorKind;

/// What an error of the host's own, without an ICMP message behind it, means for the guest.
struct Cause
{
  std::errc code;
  bool resets_connection;
  IcmpErrorKind kind;
};

constexpr std::array<Cause, 21> CAUSES{{
  {std::errc::connection_refused, true, port_unreachable},
  {std::errc::connection_reset, true, port_unreachable},
  {std::errc::connection_aborted, true, port_unreachable},
  // A Unix socket, the target of a forward, that is not there.
  {std::errc::no_such_file_or_directory, true, port_unreachable},
  // A host without IPv6 says the second or the third for an IPv6 destination.
  {std::errc::network_unreachable, false, net_unreachable},
  {std::errc::address_not_available, false, net_unreachable},
  {std::errc::address_family_not_supported, false, net_unreachable},
  {std::errc::host_unreachable, false, host_unreachable},
  {std::errc(EHOSTDOWN), false, host_unreachable},
  {std::errc::timed_out, false, host_unreachable},
  {std::errc::network_down, false, host_unreachable},
  {std::errc::permission_denied, false, administratively_prohibited},
  {std::errc::operation_not_permitted, false, administratively_prohibited},
  {std::errc::message_size, false, fragmentation_needed},
  {std::errc::no_protocol_option, true, protocol_unreachable},
  // Out of something: what a server out of it would do, and what tells a client soonest.
  {std::errc::too_many_files_open, true, administratively_prohibited},
  {std::errc::too_many_files_open_in_system, true, administratively_prohibited},
  {std::errc::no_buffer_space, true, administratively_prohibited},
  {std::errc::not_enough_memory, true, administratively_prohibited},
  {std::errc::address_in_use, true, administratively_prohibited},
  {std::errc::resource_unavailable_try_again, true, administratively_prohibited},
}};

constexpr Cause OTHER_CAUSE{std::errc{}, false, host_unreachable};

Cause cause_of(std::error_code code)
{
  for (const Cause& cause : CAUSES) {
    if (code == cause.code) {
      return cause;
    }
  }
  return OTHER_CAUSE;
}

std::uint32_t mtu_of(const HostError& error)
{
  return error.icmp ? error.icmp->mtu_bytes : 0;
}

Unreachable unreachable(IcmpErrorKind kind, const HostError& error)
{
  return {kind, kind == fragmentation_needed ? mtu_of(error) : 0};
}

/// What the ICMP message behind the error says. The kernel's own complaint about a datagram's
/// size looks like one of type 0, which is none.
std::optional<IcmpErrorKind> kind_of_message(const HostError& error)
{
  if (!error.icmp) {
    return std::nullopt;
  }
  return icmp_error_kind(error.icmp->family, {error.icmp->type, error.icmp->code});
}

} // namespace

ConnectionRefusal refuse_connection(const HostError& error)
{
  if (const auto kind = kind_of_message(error)) {
    // RFC 1122 4.2.3.9: to TCP these two mean that there is nobody to talk to.
    if (kind == port_unreachable || kind == protocol_unreachable) {
      return Reset{};
    }
    return unreachable(*kind, error);
  }
  const Cause cause = cause_of(error.code);
  if (cause.resets_connection) {
    return Reset{};
  }
  return unreachable(cause.kind, error);
}

Unreachable refuse_datagram(const HostError& error)
{
  const auto kind = kind_of_message(error);
  return unreachable(kind ? *kind : cause_of(error.code).kind, error);
}

} // namespace slirpstack
