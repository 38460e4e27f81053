#include "flow/rule_sketch.hh"

#include "wire/ip.hh"

#include <algorithm>
#include <array>

namespace slirpstack {

namespace {

// A bit for each protocol; those of the other direction are above them.
constexpr std::uint8_t TCP = 1;
constexpr std::uint8_t UDP = 2;
constexpr std::uint8_t ICMP = 4;
constexpr std::uint8_t OTHER = 8;
constexpr unsigned INBOUND_SHIFT = 4;

RuleSketch::Bits bits_of(const IpAddress& address)
{
  std::array<std::uint8_t, 16> bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const ByteView own = address.bytes();
  std::ranges::copy(own, bytes.end() - static_cast<std::ptrdiff_t>(own.size()));
  RuleSketch::Bits bits;
  for (std::size_t i = 0; i < 8; ++i) {
    bits.high = bits.high << 8U | bytes[i];
    bits.low = bits.low << 8U | bytes[i + 8];
  }
  return bits;
}

std::uint8_t protocol_of(const FlowRequest& flow)
{
  switch (flow.protocol) {
    case PROTOCOL_TCP:
      return TCP;
    case PROTOCOL_UDP:
      return UDP;
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMPV6:
      return ICMP;
    default:
      return OTHER;
  }
}

std::uint8_t protocols_of(const Rule& rule)
{
  switch (rule.protocol) {
    case Rule::Protocol::tcp:
      return TCP;
    case Rule::Protocol::udp:
      return UDP;
    case Rule::Protocol::icmp:
      return ICMP;
    case Rule::Protocol::any:
      break;
  }
  return TCP | UDP | ICMP | OTHER;
}

std::uint8_t inbound(std::uint8_t protocols)
{
  return static_cast<std::uint8_t>(protocols << INBOUND_SHIFT);
}

std::uint8_t kinds_of(const Rule& rule)
{
  const std::uint8_t protocols = protocols_of(rule);
  if (!rule.direction) {
    return protocols | inbound(protocols);
  }
  return *rule.direction == FlowDirection::out ? protocols : inbound(protocols);
}

} // namespace

RuleSketch::Flow::Flow(const FlowRequest& flow)
  : to(bits_of(flow.destination.address))
  , from(bits_of(flow.source))
  , port(flow.destination.port)
  , kind(flow.direction == FlowDirection::out ? protocol_of(flow) : inbound(protocol_of(flow)))
{}

RuleSketch::Network::Network(const Prefix* prefix)
{
  if (prefix == nullptr) {
    return;
  }
  const IpAddress address = prefix->network();
  const unsigned length = prefix->length_bits() + (address.is_ipv4() ? 96U : 0U);
  const auto ones
    = [](unsigned count) { return count == 0 ? 0 : ~std::uint64_t{0} << (64U - count); };
  mask = {ones(std::min(length, 64U)), ones(length > 64U ? length - 64U : 0U)};
  network = bits_of(address);
}

RuleSketch::RuleSketch(const Rule& rule, Family family)
  : to_(std::get_if<Prefix>(&rule.host))
  , from_(rule.source ? &*rule.source : nullptr)
  , kinds_(kinds_of(rule))
  , kinds_now_(kinds_)
  , family_(family)
{
  if (!rule.ports.empty()) {
    first_port_ = std::ranges::min_element(rule.ports, {}, &PortRange::first)->first;
    last_port_ = std::ranges::max_element(rule.ports, {}, &PortRange::last)->last;
  }
}

void RuleSketch::set_addresses(std::span<const IpAddress> addresses)
{
  constexpr Bits ALL{.high = ~std::uint64_t{0}, .low = ~std::uint64_t{0}};
  Network common(nullptr);
  kinds_now_ = 0;
  for (const IpAddress& address : addresses) {
    if (address.family() != family_) {
      continue;
    }
    const Bits bits = bits_of(address);
    if (kinds_now_ == 0) { // the first
      kinds_now_ = kinds_;
      common.network = bits;
      common.mask = ALL;
    }
    common.mask.high &= ~(bits.high ^ common.network.high);
    common.mask.low &= ~(bits.low ^ common.network.low);
  }
  common.network.high &= common.mask.high;
  common.network.low &= common.mask.low;
  to_ = common;
}

} // namespace slirpstack
