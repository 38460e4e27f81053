#pragma once

#include "wire/address.hh"

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace slirpstack {

/// Ports from `first` on.
struct PortSpan
{
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

/// The ports of one external address: which are taken, and how many of them by each zone's guests.
/// For ICMP they are identifiers.
class ExternalPorts
{
public:
  ExternalPorts(const IpAddress& address, std::size_t blocks) : address_(address), blocks_(blocks)
  {}

  [[nodiscard]] const IpAddress& address() const { return address_; }

  [[nodiscard]] bool is_taken(std::uint16_t port, std::uint8_t protocol) const;
  /// Takes the first free port of the span from `start` on, around its end; nothing: all are taken.
  /// `zone`: whose guest takes it; nothing: nobody's.
  std::optional<std::uint16_t> take_from(PortSpan span,
                                         std::uint32_t start,
                                         std::uint8_t protocol,
                                         std::optional<std::uint8_t> zone);
  void take(std::uint16_t port, std::uint8_t protocol, std::optional<std::uint8_t> zone);
  /// `zone` as it was taken.
  void free(std::uint16_t port, std::uint8_t protocol, std::optional<std::uint8_t> zone);
  /// Whether a guest of the zone may have one more of `capacity` ports, where several guests share
  /// (may_have_one_more()).
  [[nodiscard]] bool has_share(std::uint8_t zone,
                               std::uint8_t protocol,
                               std::size_t capacity) const;

  /// Which blocks of ports are assigned.
  [[nodiscard]] std::vector<bool>& blocks() { return blocks_; }

private:
  struct Taken
  {
    std::bitset<65536> ports;
    std::map<std::uint8_t, std::size_t> of_zone; ///< how many of them
  };

  IpAddress address_;
  std::map<std::uint8_t, Taken> taken_; ///< by protocol
  std::vector<bool> blocks_;
};

} // namespace slirpstack
