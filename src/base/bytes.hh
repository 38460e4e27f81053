#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace slirpstack {

using ByteView = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

/// Reads big-endian fields from a byte view. Reading or skipping past the end makes the reader
/// fail; from then on it stays failed and yields zeros, so a parser checks once, at its end.
class Reader
{
public:
  explicit Reader(ByteView bytes) : rest_(bytes) {}

  template<std::unsigned_integral Integer>
  Integer read()
  {
    const ByteView field = take(sizeof(Integer));
    Integer value = 0;
    for (const std::uint8_t byte : field) {
      value = static_cast<Integer>((static_cast<std::uint64_t>(value) << 8U) | byte);
    }
    return value;
  }
  std::uint8_t u8() { return read<std::uint8_t>(); }
  std::uint16_t u16() { return read<std::uint16_t>(); }
  std::uint32_t u32() { return read<std::uint32_t>(); }

  template<std::size_t Size>
  std::array<std::uint8_t, Size> bytes()
  {
    std::array<std::uint8_t, Size> value{};
    std::ranges::copy(take(Size), value.begin());
    return value;
  }

  /// The next `length_bytes` bytes, or an empty view and failure if fewer are left.
  ByteView take(std::size_t length_bytes)
  {
    if (length_bytes > rest_.size()) {
      failed_ = true;
      rest_ = {};
      return {};
    }
    const ByteView taken = rest_.first(length_bytes);
    rest_ = rest_.subspan(length_bytes);
    return taken;
  }
  void skip(std::size_t length_bytes) { take(length_bytes); }

  [[nodiscard]] ByteView rest() const { return rest_; }
  [[nodiscard]] bool failed() const { return failed_; }

private:
  ByteView rest_;
  bool failed_ = false;
};

/// Writes big-endian fields into a fixed buffer. Writing past the end makes the writer fail and
/// writes nothing more.
class Writer
{
public:
  explicit Writer(MutableBytes buffer) : buffer_(buffer) {}

  template<std::unsigned_integral Integer>
  void write(Integer value)
  {
    std::array<std::uint8_t, sizeof(Integer)> field{};
    for (std::size_t i = field.size(); i-- > 0;) {
      field[i] = static_cast<std::uint8_t>(value);
      value = static_cast<Integer>(static_cast<std::uint64_t>(value) >> 8U);
    }
    bytes(field);
  }
  void u8(std::uint8_t value) { write(value); }
  void u16(std::uint16_t value) { write(value); }
  void u32(std::uint32_t value) { write(value); }

  void bytes(ByteView value)
  {
    if (failed_ || value.size() > buffer_.size() - written_) {
      failed_ = true;
      return;
    }
    std::ranges::copy(value, buffer_.begin() + static_cast<std::ptrdiff_t>(written_));
    written_ += value.size();
  }
  void zeros(std::size_t count)
  {
    for (; count > 0; --count) {
      u8(0);
    }
  }

  [[nodiscard]] std::size_t written() const { return written_; }
  [[nodiscard]] bool failed() const { return failed_; }

private:
  MutableBytes buffer_;
  std::size_t written_ = 0;
  bool failed_ = false;
};

} // namespace slirpstack
