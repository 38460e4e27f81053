#include "wire/address.hh"

#include <arpa/inet.h>
#include <cassert>
#include <charconv>
#include <fmt/format.h>
#include <string>

namespace slirpstack {

IpAddress::IpAddress(ByteView bytes) : family_(bytes.size() == 4 ? Family::ipv4 : Family::ipv6)
{
  assert(bytes.size() == 4 || bytes.size() == 16);
  std::ranges::copy(bytes, bytes_.begin());
}

IpAddress IpAddress::ipv4(std::uint32_t value)
{
  IpAddress address;
  Writer(address.bytes_).u32(value);
  return address;
}

IpAddress IpAddress::any(Family family)
{
  IpAddress address;
  address.family_ = family;
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text)
{
  const std::string terminated(text);
  if (terminated.find('\0') != std::string::npos) {
    return std::nullopt;
  } // inet_pton stops at it
  IpAddress address;
  if (::inet_pton(AF_INET, terminated.c_str(), address.bytes_.data()) == 1) {
    return address;
  }
  address.family_ = Family::ipv6;
  if (::inet_pton(AF_INET6, terminated.c_str(), address.bytes_.data()) == 1) {
    return address;
  }
  return std::nullopt;
}

std::uint32_t IpAddress::ipv4_value() const
{
  assert(is_ipv4());
  return Reader(bytes_).u32();
}

std::optional<IpAddress> IpAddress::unmapped() const
{
  static constexpr std::array<std::uint8_t, 12> MAPPED{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (is_ipv4() || !std::equal(MAPPED.begin(), MAPPED.end(), bytes_.begin())) {
    return std::nullopt;
  }
  return IpAddress(ByteView(bytes_).subspan(12));
}

bool IpAddress::is_unspecified() const
{
  return std::ranges::all_of(bytes_, [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_loopback() const
{
  if (is_ipv4()) {
    return bytes_[0] == 127;
  }
  return bytes_[15] == 1 && std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t byte) {
           return byte == 0;
         });
}

bool IpAddress::is_multicast() const
{
  return is_ipv4() ? (bytes_[0] & 0xf0U) == 0xe0 : bytes_[0] == 0xff;
}

bool IpAddress::is_broadcast() const
{
  return is_ipv4() && ipv4_value() == UINT32_MAX;
}

bool IpAddress::is_link_local() const
{
  return is_ipv4() ? bytes_[0] == 169 && bytes_[1] == 254
                   : bytes_[0] == 0xfe && (bytes_[1] & 0xc0U) == 0x80;
}

std::string IpAddress::to_string() const
{
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(is_ipv4() ? AF_INET : AF_INET6, bytes_.data(), text.data(), text.size());
  return text.data();
}

std::string Endpoint::to_string() const
{
  return address.is_ipv4() ? fmt::format("{}:{}", address.to_string(), port)
                           : fmt::format("[{}]:{}", address.to_string(), port);
}

std::optional<Endpoint> Endpoint::parse(std::string_view text)
{
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  const std::string_view digits = text.substr(colon + 1);
  Endpoint endpoint;
  const auto [end, error]
    = std::from_chars(digits.data(), digits.data() + digits.size(), endpoint.port);
  const auto address = IpAddress::parse(bracketed ? host.substr(1, host.size() - 2) : host);
  if (error != std::errc() || end != digits.data() + digits.size() || !address
      || address->is_ipv6() != bracketed) {
    return std::nullopt;
  }
  endpoint.address = *address;
  return endpoint;
}

Prefix::Prefix(const IpAddress& address, unsigned length_bits)
  : address_(address), length_bits_(length_bits)
{
  assert(length_bits <= address.bytes().size() * 8);
}

std::optional<Prefix> Prefix::parse(std::string_view text)
{
  const std::size_t slash = text.find('/');
  const std::optional<IpAddress> address = IpAddress::parse(text.substr(0, slash));
  if (!address) {
    return std::nullopt;
  }
  const auto longest = static_cast<unsigned>(address->bytes().size() * 8);
  if (slash == std::string_view::npos) {
    return Prefix(*address, longest);
  }
  const std::string_view digits = text.substr(slash + 1);
  unsigned length_bits = 0;
  const auto [end, error]
    = std::from_chars(digits.data(), digits.data() + digits.size(), length_bits);
  if (error != std::errc() || end != digits.data() + digits.size() || length_bits > longest) {
    return std::nullopt;
  }
  return Prefix(*address, length_bits);
}

IpAddress Prefix::network() const
{
  std::array<std::uint8_t, 16> bytes{};
  const ByteView given = address_.bytes();
  for (std::size_t i = 0; i < given.size(); ++i) {
    const unsigned kept
      = std::clamp(static_cast<int>(length_bits_) - static_cast<int>(i * 8), 0, 8);
    bytes[i] = static_cast<std::uint8_t>(given[i] & (0xff00U >> kept));
  }
  return IpAddress(ByteView(bytes).first(given.size()));
}

IpAddress Prefix::host(std::uint32_t offset) const
{
  const IpAddress base = network();
  std::array<std::uint8_t, 16> bytes{};
  std::ranges::copy(base.bytes(), bytes.begin());
  std::uint64_t carry = offset;
  for (std::size_t i = base.bytes().size(); i-- > 0 && carry > 0;) {
    carry += bytes[i];
    bytes[i] = static_cast<std::uint8_t>(carry);
    carry >>= 8U;
  }
  return IpAddress(ByteView(bytes).first(base.bytes().size()));
}

bool Prefix::contains(const IpAddress& candidate) const
{
  return candidate.family() == address_.family()
         && Prefix(candidate, length_bits_).network() == network();
}

std::string Prefix::to_string() const
{
  return fmt::format("{}/{}", address_.to_string(), length_bits_);
}

std::string MacAddress::to_string() const
{
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}",
                     bytes[0],
                     bytes[1],
                     bytes[2],
                     bytes[3],
                     bytes[4],
                     bytes[5]);
}

} // namespace slirpstack
