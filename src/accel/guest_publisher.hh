#pragma once

#include "accel/binding_writer.hh"
#include "accel/nat_plan.hh"
#include "flow/port_publisher.hh"

#include <cstdint>
#include <vector>

namespace slirpstack {

/// One guest's ports that the NAT in the kernel leads to from external addresses that are not the
/// host's own. At the host's own a socket listens, which its own clients reach too.
class GuestPublisher final : public PortPublisher
{
public:
  /// `writer` and `plan` must outlive this. `place.mac` is the guest's.
  GuestPublisher(BindingWriter& writer, const NatPlan& plan, const GuestPlace& place)
    : writer_(writer), plan_(plan), place_(place)
  {}

  [[nodiscard]] bool has_address(const IpAddress& address) const override;
  [[nodiscard]] PublishAnswer publish(const PublishedPort& port, TimePoint now) override;
  void withdraw(const PublishedPort& port, TimePoint now) override;
  [[nodiscard]] bool reserve(std::uint8_t protocol, const Endpoint& socket, TimePoint now) override;
  void release(std::uint8_t protocol, const Endpoint& socket, TimePoint now) override;

private:
  /// The endpoints of the pool that a socket listens at.
  [[nodiscard]] std::vector<Endpoint> endpoints_of(const Endpoint& socket) const;

  BindingWriter& writer_;
  const NatPlan& plan_;
  GuestPlace place_;
};

} // namespace slirpstack
