#pragma once

#include "wire/address.hh"

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace slirpstack {

/// The reason why a value cannot be used, without the value and the option's name: "must be …".
class BadValue : public std::runtime_error
{
public:
  using std::runtime_error::runtime_error;
};

// Text to value. Each takes the whole text, no blanks around it, and throws BadValue otherwise.

/// A decimal number from `least` to `most`.
[[nodiscard]] std::uint64_t parse_number(std::string_view text,
                                         std::uint64_t least,
                                         std::uint64_t most);

/// Go's durations (`300ms`, `1.5h`, `1m30s`); a number without a unit is seconds. Never
/// negative; up to 292 years.
[[nodiscard]] std::chrono::nanoseconds parse_duration(std::string_view text);

/// Bytes, with K, M or G for powers of 1024.
[[nodiscard]] std::uint64_t parse_size(std::string_view text,
                                       std::uint64_t least,
                                       std::uint64_t most);

/// An address of this family that a socket can be bound to: neither unspecified nor multicast.
[[nodiscard]] IpAddress parse_source(std::string_view text, Family family);

/// An address at which the guest finds a service of ours: an ordinary unicast one of either family.
[[nodiscard]] IpAddress parse_dns_address(std::string_view text);

/// A guest network: host bits zero, clear of multicast, loopback, link-local and reserved
/// addresses, and with room for those that Config::Network takes: IPv4 /1-25, IPv6 /1-119.
[[nodiscard]] Prefix parse_network(std::string_view text, Family family);

/// An interface name that the kernel takes literally: 1 to 15 characters, none of them `/`, `:`,
/// `%` or blank.
[[nodiscard]] std::string parse_interface(std::string_view text);

/// The path of a control socket. An abstract name (`@…`) is refused: it has no permissions, so
/// every user of the host could connect.
[[nodiscard]] std::string parse_control_path(std::string_view text);

} // namespace slirpstack
