#pragma once

#include "accel/expiry.hh"
#include "accel/nat_object.hh"
#include "frame.hh"
#include "object_pool.hh"
#include "slirpstack/nat_map.h"

#include <doctest/doctest.h>
#include <string>

namespace slirpstack::test {

enum class Verdict
{
  host,
  drop,
  redirect,
};

struct Outcome
{
  Verdict verdict = Verdict::drop;
  Bytes frame;
};

inline constexpr MacAddress GUEST_MAC{{2, 0, 0, 0, 0, 1}};
inline constexpr MacAddress GATEWAY_MAC{{2, 0, 0, 0, 0, 2}};
inline constexpr MacAddress ROUTER_MAC{{2, 0, 0, 0, 0, 3}};
inline constexpr MacAddress EXTERNAL_MAC{{2, 0, 0, 0, 0, 4}};
inline constexpr MacAddress OTHER_GUEST_MAC{{2, 0, 0, 0, 0, 5}};

/// How late it may be noted that the guest has sent.
inline const Duration LAG = std::chrono::ceil<Duration>(NatExpiry::Timeouts{}.lag());

inline constexpr Frame FROM_GUEST{GATEWAY_MAC, GUEST_MAC, {}};
inline constexpr Frame TO_GUEST{GUEST_MAC, GATEWAY_MAC, {}};
inline constexpr Frame TO_OTHER_GUEST{OTHER_GUEST_MAC, GATEWAY_MAC, {}};
inline constexpr Frame FROM_WORLD{EXTERNAL_MAC, ROUTER_MAC, {}};
inline constexpr Frame TO_WORLD{ROUTER_MAC, EXTERNAL_MAC, {}};

/// The NAT's programs in the kernel, with frames given to them one by one. Nothing is attached and
/// nothing is sent: the interface that all frames are from and for is the loopback's number.
/// Inside is 10.0.0.0/24 with the router 10.0.0.1; outside 203.0.113.1 and .2; an MTU of 1500.
class NatBed
{
public:
  explicit NatBed(NatHook hook);

  nat_settings settings{};
  /// Puts `settings` into effect.
  void apply();
  /// `internal` is `external` outside, as policy would have said.
  void bind(const Endpoint& internal,
            const Endpoint& external,
            std::uint8_t protocol,
            std::uint16_t flags = 0,
            const MacAddress& mac = GUEST_MAC,
            std::uint8_t zone = 0);
  void route(const Prefix& prefix, std::uint32_t mtu, std::uint32_t flags = 0);
  void map_prefix(const Prefix& internal, const Prefix& external, bool is_neutral);
  void set_tap(std::uint32_t zone = 0);
  /// Leaves no room for a further binding, though there is for owners.
  void fill_bindings();

  Outcome run(const char* program, const Bytes& frame);
  /// TC: the frame is a super-segment, whose segments have so much data.
  Outcome run_super(const char* program, const Bytes& frame, std::uint32_t segment_bytes);
  Outcome from_guest(const Packet& packet)
  {
    return run("nat_internal", frame(FROM_GUEST, build(packet)));
  }
  Outcome from_world(const Packet& packet)
  {
    return run("nat_external", frame(FROM_WORLD, build(packet)));
  }

  [[nodiscard]] std::uint64_t counted(nat_statistic statistic) const;
  /// Number of entries in a map.
  [[nodiscard]] std::size_t entries(const char* map, std::size_t key_bytes) const;
  /// The only binding's external endpoint.
  [[nodiscard]] Endpoint external_of(const Endpoint& internal, std::uint8_t protocol) const;

  [[nodiscard]] const NatObject& object() const { return *object_; }

private:
  Outcome run(const char* program, const Bytes& frame, __sk_buff* super);

  PooledObject object_;
};

[[nodiscard]] nat_endpoint to_map(const Endpoint& endpoint, std::uint8_t protocol);

/// Each of the tests below runs for XDP and for TC.
#define FOR_BOTH_HOOKS(name)                                                                       \
  for (const NatHook hook : {NatHook::xdp, NatHook::tc})                                           \
    if (NatBed name(hook); true)

} // namespace slirpstack::test

/// Shows bytes that differ.
template<>
struct doctest::StringMaker<slirpstack::test::Bytes>
{
  static String convert(const slirpstack::test::Bytes& bytes)
  {
    std::string text;
    for (const std::uint8_t byte : bytes) {
      constexpr const char* DIGITS = "0123456789abcdef";
      text += DIGITS[byte >> 4U];
      text += DIGITS[byte & 0xfU];
    }
    return text.c_str();
  }
};
