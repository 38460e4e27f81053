#include "gateway/held_port.hh"

#include "base/log.hh"
#include "gateway/forward_error.hh"
#include "wire/protocol_name.hh"

#include <cerrno>
#include <fmt/format.h>
#include <string>
#include <system_error>

namespace slirpstack {

namespace {

std::string text_of(std::uint8_t protocol, const Endpoint& socket)
{
  return fmt::format("{}://{}", protocol_name(protocol), socket.to_string());
}

} // namespace

HeldPort::HeldPort(PortPublisher& publisher,
                   const EventTime& time,
                   std::uint8_t protocol,
                   const Endpoint& socket)
  : publisher_(publisher), time_(time), protocol_(protocol), socket_(socket)
{
  if (!publisher_.reserve(protocol_, socket_, time_.now)) {
    throw ForwardError(
      EADDRINUSE,
      std::generic_category(),
      fmt::format("listen on {}, where the NAT has a guest", text_of(protocol_, socket_)));
  }
}

HeldPort::~HeldPort()
{
  try {
    publisher_.release(protocol_, socket_, time_.now);
  } catch (const std::system_error& error) {
    log(LogLevel::error,
        "a port stays closed to guests",
        {{"port", text_of(protocol_, socket_)}, {"reason", error.what()}});
  }
}

} // namespace slirpstack
