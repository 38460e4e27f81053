#include "wire/checksum.hh"

#include <bit>
#include <cassert>

namespace slirpstack {

namespace {

static_assert(std::endian::native == std::endian::little, "the sums below are taken in that order");

/// One's complement addition: the carry comes back in at the bottom.
std::uint64_t add_with_carry(std::uint64_t a, std::uint64_t b)
{
  const std::uint64_t sum = a + b;
  return sum + (sum < a ? 1U : 0U);
}

template<typename Word>
Word load(const std::uint8_t* at)
{
  Word word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

std::uint16_t fold(std::uint64_t sum)
{
  sum = (sum >> 32U) + (sum & 0xffffffffU);
  while (sum > 0xffff) {
    sum = (sum >> 16U) + (sum & 0xffffU);
  }
  return static_cast<std::uint16_t>(sum);
}

std::uint16_t swap_bytes(std::uint16_t value)
{
  return static_cast<std::uint16_t>(value >> 8U | value << 8U);
}

/// The sum of little-endian words. Two sums at once, since each addition waits for the one before.
std::uint64_t native_sum(ByteView bytes)
{
  std::uint64_t even = 0;
  std::uint64_t odd = 0;
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 32; left -= 32, at += 32) {
    even = add_with_carry(even, load<std::uint64_t>(at));
    odd = add_with_carry(odd, load<std::uint64_t>(at + 8));
    even = add_with_carry(even, load<std::uint64_t>(at + 16));
    odd = add_with_carry(odd, load<std::uint64_t>(at + 24));
  }
  for (; left >= 8; left -= 8, at += 8) {
    even = add_with_carry(even, load<std::uint64_t>(at));
  }
  // Piece by piece, since a short write under a long read would stall on every small header.
  if (left >= 4) {
    odd = add_with_carry(odd, load<std::uint32_t>(at));
    left -= 4;
    at += 4;
  }
  if (left >= 2) {
    odd = add_with_carry(odd, load<std::uint16_t>(at));
    left -= 2;
    at += 2;
  }
  if (left > 0) {
    odd = add_with_carry(odd, *at);
  }
  return add_with_carry(even, odd);
}

} // namespace

void Checksum::add_sum(std::uint64_t native_sum)
{
  // At an odd place every byte lies in the other half of its word (RFC 1071, 2.B).
  sum_ = add_with_carry(sum_, odd_ ? swap_bytes(fold(native_sum)) : native_sum);
}

void Checksum::add(ByteView bytes)
{
  add_sum(native_sum(bytes));
  odd_ = odd_ != (bytes.size() % 2 != 0);
}

void Checksum::add_u16(std::uint16_t value)
{
  add_sum(swap_bytes(value));
}

void Checksum::add_u32(std::uint32_t value)
{
  add_u16(static_cast<std::uint16_t>(value >> 16U));
  add_u16(static_cast<std::uint16_t>(value));
}

std::uint16_t Checksum::folded() const
{
  return swap_bytes(fold(sum_));
}

Checksum pseudo_header(const IpAddress& source,
                       const IpAddress& destination,
                       std::uint8_t protocol,
                       std::uint32_t length_bytes)
{
  assert(source.family() == destination.family());
  Checksum sum;
  sum.add(source.bytes());
  sum.add(destination.bytes());
  sum.add_u32(length_bytes); // IPv4 has 16 bits here; the upper ones are zero there
  sum.add_u16(protocol);
  return sum;
}

} // namespace slirpstack
