#pragma once

#include "flow/event_time.hh"
#include "flow/port_publisher.hh"
#include "wire/address.hh"

#include <cstdint>

namespace slirpstack {

/// A port where a socket of the host listens, kept from being a guest's external one until this is
/// destroyed.
class HeldPort
{
public:
  /// Throws ForwardError where it is a guest's. Both references must outlive this.
  HeldPort(PortPublisher& publisher,
           const EventTime& time,
           std::uint8_t protocol,
           const Endpoint& socket);
  ~HeldPort();
  HeldPort(const HeldPort&) = delete;
  HeldPort& operator=(const HeldPort&) = delete;
  HeldPort(HeldPort&&) = delete;
  HeldPort& operator=(HeldPort&&) = delete;

private:
  PortPublisher& publisher_;
  const EventTime& time_;
  std::uint8_t protocol_;
  Endpoint socket_;
};

} // namespace slirpstack
