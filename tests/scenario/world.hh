#pragma once

#include "gateway/gateway.hh"
#include "scenario/fake_guest.hh"
#include "scenario/fake_host.hh"

#include <deque>
#include <string_view>
#include <utility>

namespace slirpstack {

/// `192.0.2.1`, port.
[[nodiscard]] Endpoint endpoint(std::string_view address, std::uint16_t port);

/// The gateway with all that is real in it (flow table, relays, lwIP) between a guest and a host in
/// memory. Time stands still unless a script moves it.
class World
{
public:
  static constexpr std::size_t POOL_CEILING_BYTES = 64 << 20;

  /// What a deployment has: 10.0.2.0/24 and fd00::/64 inside, 203.0.113.0/24 beside the host.
  [[nodiscard]] static Gateway::Settings settings();
  explicit World(const Gateway::Settings& settings = World::settings(),
                 std::size_t pool_ceiling_bytes = POOL_CEILING_BYTES);

  /// The host has an address, or routes a network to itself, from now on.
  void host_takes(std::string_view prefix);

  /// The guest puts an IP packet on the link.
  void guest_sends(ByteView packet, bool checksum_trusted = false);
  /// The end of a batch: the gateway works until it has nothing left to do.
  void settle();
  /// Lets time pass and wakes the gateway as often as it wants to be. Returns how often.
  std::size_t advance(Duration duration);
  [[nodiscard]] TimePoint now() const { return now_; }

  /// What the gateway has sent the guest and no one has taken.
  [[nodiscard]] std::deque<GuestReceived>& inbox();
  /// The next packet for the guest must be an ICMP error of that type and code; returns it.
  GuestReceived expects_icmp(int type, int code);
  void expects_nothing();
  /// The packets so far are lost on the way.
  void loses_all() { inbox().clear(); }

private:
  TimePoint now_{std::chrono::hours(1000)};
  HostNetworks host_networks_;
  std::deque<GuestReceived> inbox_;

public:
  FakeGuest link;
  FakeHost host;
  FakeNames names;
  BlockPool pool;
  Gateway gateway;
};

} // namespace slirpstack
