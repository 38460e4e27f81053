#pragma once

#include "accel/mapped_flows.hh"
#include "accel/prefix_mirror.hh"
#include "slow_path.hh"

#include <string_view>

namespace slirpstack::test {

/// Where a frame went, and that it is what it should be there: only what is carried is changed.
enum class Fate
{
  world,
  guest,
  slirpstack,
  host,
  dropped,
  garbled, ///< none of these, which nothing may ever be
};

/// The NAT's programs with the mapped flows of one guest, zone 1, as the user side writes them:
///
///     fd00:1::/64 is 2001:db8:1::/64, plain        fd00:2::/64 is 2001:db8:2::/64, neutral
///
/// and the route to all remotes, with an MTU of 1500.
class MappedBed
{
public:
  static constexpr std::uint8_t ZONE = 1;

  explicit MappedBed(NatHook hook);

  /// A batch of map_edit.hh, of a guest.
  void map(std::string_view batch, std::uint8_t zone = ZONE);
  [[nodiscard]] Endpoint external_of(const Endpoint& guest) const;
  /// Policy allows what `packet`, of the guest's, begins.
  void carry(const Packet& packet, std::uint8_t zone = ZONE) { carry(packet, flows, zone); }
  void carry(const Packet& packet, MappedFlows& into, std::uint8_t zone = ZONE) const;
  Fate from_guest(const Bytes& packet) { return run("nat_internal", frame(FROM_GUEST, packet)); }
  Fate from_world(const Bytes& packet) { return run("nat_external", frame(FROM_WORLD, packet)); }
  Fate from_tap(const Bytes& packet) { return run("nat_tap", frame(FROM_GUEST, packet)); }
  Fate run(const char* program, const Bytes& sent);

  NatBed nat;
  PrefixMirror prefixes;
  MappedFlows flows;
  PrefixMap mappings{HashSecret{1, 2}};
  Bytes seen; ///< the frame as the last run() left it
};

/// Where all guests of the bed are.
[[nodiscard]] inline PrefixMirror::Guest guest_of(std::uint8_t zone,
                                                  const MacAddress& mac = GUEST_MAC)
{
  return {{.ifindex = 1, .zone = zone, .mac = mac}, 1500};
}

inline const Endpoint MAPPED_REMOTE = at("[2001:db8:99::53]:53");
/// Behind the plain mapping, and the neutral one.
inline const Endpoint MAPPED_GUESTS[] = {at("[fd00:1::5]:5000"), at("[fd00:2::5]:5000")};
inline constexpr std::uint8_t MAPPED_PROTOCOLS[] = {PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_ICMPV6};
inline constexpr std::uint8_t ECHO_REQUEST_V6 = 128;
inline constexpr std::uint8_t ECHO_REPLY_V6 = 129;

/// The same as between(), or an echo request.
[[nodiscard]] Packet request(const Endpoint& guest,
                             std::uint8_t protocol,
                             const Endpoint& remote = MAPPED_REMOTE);
/// What the remote says to that, as the guest gets it, but for the hop limit.
[[nodiscard]] Packet reply_to(Packet request);
/// As the world sees it, before any hop.
[[nodiscard]] Packet outside(const MappedBed& bed, Packet request);
/// "Port unreachable" about the bytes of a packet.
[[nodiscard]] Packet unreachable(const Endpoint& from, const Endpoint& to, const Bytes& quote);

} // namespace slirpstack::test
