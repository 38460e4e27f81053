#include "flow/nptv6.hh"

#include "wire/checksum.hh"

#include <algorithm>
#include <array>
#include <cassert>
#include <optional>

namespace slirpstack {

namespace {

using AddressBytes = std::array<std::uint8_t, 16>;

constexpr std::uint16_t ALL_ONES = 0xffff;
constexpr unsigned SUBNET_LENGTH_BITS = 48;
constexpr std::size_t SUBNET_WORD = 3;
constexpr std::size_t FIRST_INTERFACE_WORD = 4;
constexpr std::size_t WORDS = 8;

AddressBytes bytes_of(const IpAddress& address)
{
  AddressBytes bytes{};
  std::ranges::copy(address.bytes(), bytes.begin());
  return bytes;
}

std::uint16_t word_at(const AddressBytes& bytes, std::size_t word)
{
  return static_cast<std::uint16_t>(bytes[2 * word] << 8U | bytes[2 * word + 1]);
}

void set_word(AddressBytes& bytes, std::size_t word, std::uint16_t value)
{
  bytes[2 * word] = static_cast<std::uint8_t>(value >> 8U);
  bytes[2 * word + 1] = static_cast<std::uint8_t>(value);
}

bool has_empty_interface_id(const AddressBytes& bytes)
{
  return std::all_of(bytes.begin() + 2 * FIRST_INTERFACE_WORD, bytes.end(), [](std::uint8_t byte) {
    return byte == 0;
  });
}

/// The word that takes the adjustment, if there is one.
std::optional<std::size_t> adjusted_word(const AddressBytes& bytes, unsigned length_bits)
{
  if (length_bits <= SUBNET_LENGTH_BITS) {
    return word_at(bytes, SUBNET_WORD) == ALL_ONES ? std::nullopt : std::optional(SUBNET_WORD);
  }
  // A router's anycast address (RFC 4291 2.6.1): 3.5 has it dropped.
  if (has_empty_interface_id(bytes)) {
    return std::nullopt;
  }
  for (std::size_t word = FIRST_INTERFACE_WORD; word < WORDS; ++word) {
    if (word_at(bytes, word) != ALL_ONES) {
      return word;
    }
  }
  return std::nullopt;
}

} // namespace

std::string_view unmappable_reason(Unmappable reason)
{
  return reason == Unmappable::subnet
           ? "its subnet is ffff, which has no checksum-neutral counterpart (RFC 6296 3.4)"
           : "its interface identifier has no checksum-neutral counterpart (RFC 6296 3.5)";
}

std::uint16_t neutral_adjustment(const Prefix& from, const Prefix& to)
{
  Checksum old_sum;
  old_sum.add(from.network().bytes());
  Checksum new_sum;
  new_sum.add(to.network().bytes());
  Checksum difference;
  difference.add_u16(old_sum.folded());
  difference.add_u16(new_sum.finish());
  return difference.folded();
}

IpAddress rewrite_prefix(const IpAddress& address, const Prefix& to)
{
  AddressBytes bytes = bytes_of(to.network());
  const ByteView kept = address.bytes();
  for (unsigned i = 0; i < bytes.size(); ++i) {
    const int replaced
      = std::clamp(static_cast<int>(to.length_bits()) - static_cast<int>(i * 8), 0, 8);
    bytes[i] = static_cast<std::uint8_t>(bytes[i] | (kept[i] & (0xffU >> replaced)));
  }
  return IpAddress(bytes);
}

std::variant<IpAddress, Unmappable> translate_neutrally(const IpAddress& address,
                                                        const Prefix& from,
                                                        const Prefix& to)
{
  assert(from.length_bits() == to.length_bits() && from.length_bits() <= NPTV6_MAX_LENGTH_BITS);
  const bool adjusts_subnet = from.length_bits() <= SUBNET_LENGTH_BITS;
  const Unmappable failure = adjusts_subnet ? Unmappable::subnet : Unmappable::interface_id;
  const auto word = adjusted_word(bytes_of(address), from.length_bits());
  if (!word) {
    return failure;
  }
  AddressBytes bytes = bytes_of(rewrite_prefix(address, to));
  Checksum sum;
  sum.add_u16(word_at(bytes, *word));
  sum.add_u16(neutral_adjustment(from, to));
  // RFC 6296 3.2: both are zero in one's complement, and 0xffff could not come back.
  set_word(bytes, *word, sum.folded() == ALL_ONES ? 0 : sum.folded());
  // What would be dropped on its way back is not sent out either.
  if (!adjusts_subnet && has_empty_interface_id(bytes)) {
    return failure;
  }
  return IpAddress(bytes);
}

} // namespace slirpstack
