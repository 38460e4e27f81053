#pragma once

#include "wire/address.hh"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace slirpstack {

/// IPv4 addresses from `first` to `last`, both included.
struct AddressRange
{
  IpAddress first;
  IpAddress last;

  /// All addresses of an IPv4 network, its first and last one too.
  [[nodiscard]] static AddressRange of(const Prefix& network);

  [[nodiscard]] std::uint64_t size() const;
  [[nodiscard]] bool contains(const IpAddress& address) const
  {
    return address.is_ipv4() && first <= address && address <= last;
  }
  [[nodiscard]] bool overlaps(const AddressRange& other) const
  {
    return first <= other.last && other.first <= last;
  }
  /// `192.0.2.1`, `192.0.2.1-192.0.2.9`.
  [[nodiscard]] std::string to_string() const;
  auto operator<=>(const AddressRange&) const = default;
};

/// `ADDRESS`, `ADDRESS-ADDRESS` or `NETWORK/LENGTH`, several of them with commas between. Throws
/// UsageError with the reason: "must be …".
[[nodiscard]] std::vector<AddressRange> parse_address_ranges(std::string_view text);

} // namespace slirpstack
