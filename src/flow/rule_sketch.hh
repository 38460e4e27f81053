#pragma once

#include "flow/rule.hh"

#include <cstdint>
#include <span>

namespace slirpstack {

/// What of a rule can be compared in a few steps, in one line of memory or two: ten thousand rules
/// are gone through for each new flow, and nearly all of them are about something else.
class RuleSketch
{
public:
  /// 128 bits; an IPv4 address is its mapped form.
  struct Bits
  {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
  };
  /// A flow in the same terms.
  struct Flow
  {
    explicit Flow(const FlowRequest& flow);

    Bits to;
    Bits from;
    std::uint16_t port; ///< 0 for ICMP
    std::uint8_t kind;  ///< one bit: protocol and direction
  };

  /// For flows to addresses of one family.
  RuleSketch(const Rule& rule, Family family);

  /// What the rule's name stands for now: what its addresses of the family have in common, and
  /// nothing if there are none. For a rule that has a name.
  void set_addresses(std::span<const IpAddress> addresses);

  /// False: the rule does not match. True says nothing yet.
  [[nodiscard]] bool may_match(const Flow& flow) const
  {
    return (kinds_now_ & flow.kind) != 0 && first_port_ <= flow.port && flow.port <= last_port_
           && to_.may_have(flow.to) && from_.may_have(flow.from);
  }

private:
  /// Everything, unless it is made of a network.
  struct Network
  {
    explicit Network(const Prefix* prefix);

    [[nodiscard]] bool may_have(const Bits& address) const
    {
      return ((address.high & mask.high) ^ network.high) == 0
             && ((address.low & mask.low) ^ network.low) == 0;
    }

    Bits mask;
    Bits network;
  };

  Network to_;
  Network from_;
  std::uint16_t first_port_ = 0;
  std::uint16_t last_port_ = UINT16_MAX;
  std::uint8_t kinds_;
  std::uint8_t kinds_now_; ///< 0: a name without an address
  Family family_;
};

} // namespace slirpstack
