#include "flow/flow_key.hh"

#include "wire/ip.hh"
#include "wire/protocol_name.hh"

#include <array>
#include <fmt/format.h>

namespace slirpstack {

namespace {

void write(Writer& writer, const Endpoint& endpoint)
{
  writer.bytes(endpoint.address.bytes());
  writer.u16(endpoint.port);
}

} // namespace

std::string FlowKey::to_string() const
{
  // An echo has an identifier, which stands for the guest's port, and no other port.
  const bool is_icmp = protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMPV6;
  return fmt::format("{} {} -> {}",
                     protocol_name(protocol),
                     guest.to_string(),
                     is_icmp ? remote.address.to_string() : remote.to_string());
}

std::size_t FlowKeyHash::operator()(const FlowKey& key) const
{
  std::array<std::uint8_t, 37> bytes; // NOLINT: only what was written is hashed
  Writer writer(bytes);
  writer.u8(key.protocol);
  write(writer, key.guest);
  write(writer, key.remote);
  return siphash(secret_, ByteView(bytes).first(writer.written()));
}

std::size_t FlowKeyHash::operator()(const Endpoint& endpoint) const
{
  std::array<std::uint8_t, 18> bytes; // NOLINT: only what was written is hashed
  Writer writer(bytes);
  write(writer, endpoint);
  return siphash(secret_, ByteView(bytes).first(writer.written()));
}

} // namespace slirpstack
