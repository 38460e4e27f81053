#pragma once

#include "base/bytes.hh"

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace slirpstack {

enum class Family : std::uint8_t
{
  ipv4,
  ipv6,
};

/// An IPv4 or IPv6 address. The bytes are in network order, as on the wire; an IPv4 address
/// fills the first four and leaves the others zero. An IPv4-mapped IPv6 address stays IPv6.
class IpAddress
{
public:
  /// 0.0.0.0
  constexpr IpAddress() = default;
  /// `bytes` is 4 or 16 long.
  explicit IpAddress(ByteView bytes);
  /// The IPv4 address whose host-order value is `value`: 0x7f000001 is 127.0.0.1.
  static IpAddress ipv4(std::uint32_t value);
  static IpAddress any(Family family);
  /// Dotted quad (exactly four decimal parts) or RFC 4291 text, without zone or brackets.
  static std::optional<IpAddress> parse(std::string_view text);

  [[nodiscard]] Family family() const { return family_; }
  [[nodiscard]] bool is_ipv4() const { return family_ == Family::ipv4; }
  [[nodiscard]] bool is_ipv6() const { return family_ == Family::ipv6; }
  /// 4 or 16 bytes, network order.
  [[nodiscard]] ByteView bytes() const { return {bytes_.data(), is_ipv4() ? 4U : 16U}; }
  /// Host order; only for an IPv4 address.
  [[nodiscard]] std::uint32_t ipv4_value() const;
  /// The IPv4 address inside an IPv4-mapped one (::ffff:a.b.c.d).
  [[nodiscard]] std::optional<IpAddress> unmapped() const;

  [[nodiscard]] bool is_unspecified() const;
  [[nodiscard]] bool is_loopback() const;
  /// 224/4 or ff00::/8.
  [[nodiscard]] bool is_multicast() const;
  /// 255.255.255.255. IPv6 has none.
  [[nodiscard]] bool is_broadcast() const;
  /// 169.254/16 or fe80::/10.
  [[nodiscard]] bool is_link_local() const;

  [[nodiscard]] std::string to_string() const;

  auto operator<=>(const IpAddress&) const = default;

private:
  Family family_ = Family::ipv4;
  std::array<std::uint8_t, 16> bytes_{};
};

/// An address and a port (host order).
struct Endpoint
{
  IpAddress address;
  std::uint16_t port = 0;

  /// `192.0.2.1:80`, `[2001:db8::1]:80`.
  [[nodiscard]] std::string to_string() const;
  /// Reads what `to_string` writes.
  static std::optional<Endpoint> parse(std::string_view text);
  auto operator<=>(const Endpoint&) const = default;
};

/// A network: an address whose host bits are kept as given, and a length.
class Prefix
{
public:
  Prefix() = default;
  /// `length_bits` is at most 32 or 128.
  Prefix(const IpAddress& address, unsigned length_bits);
  /// `10.0.2.0/24`, `fd00::/64`; without `/LEN` a single address.
  static std::optional<Prefix> parse(std::string_view text);

  [[nodiscard]] const IpAddress& address() const { return address_; }
  [[nodiscard]] unsigned length_bits() const { return length_bits_; }
  /// The address with its host bits zero.
  [[nodiscard]] IpAddress network() const;
  /// The network's address plus `offset`: host(2) of 10.0.2.0/24 is 10.0.2.2.
  [[nodiscard]] IpAddress host(std::uint32_t offset) const;
  [[nodiscard]] bool contains(const IpAddress& candidate) const;
  [[nodiscard]] std::string to_string() const;

  auto operator<=>(const Prefix&) const = default;

private:
  IpAddress address_;
  unsigned length_bits_ = 0;
};

/// An Ethernet address.
struct MacAddress
{
  std::array<std::uint8_t, 6> bytes{};

  [[nodiscard]] std::string to_string() const;
  auto operator<=>(const MacAddress&) const = default;
};

} // namespace slirpstack
