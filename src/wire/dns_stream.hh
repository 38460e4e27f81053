#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <sys/uio.h>

namespace slirpstack {

/// Where the messages begin in one direction of a DNS connection: each follows its length, two
/// bytes in network order (RFC 1035 4.2.2). Looks at bytes that go on to someone else, and keeps
/// none of them.
class DnsStream
{
public:
  /// How many bytes at the front of what comes next hold the beginnings of at most `messages`.
  [[nodiscard]] std::size_t prefix(std::span<const iovec> next, std::uint64_t messages) const;

  /// Those bytes, the first of `next`, have gone on. Returns how many messages began in them.
  std::uint64_t pass(std::span<const iovec> next, std::size_t length_bytes);

private:
  struct Step
  {
    std::size_t bytes = 0;
    std::uint64_t messages = 0;
  };

  /// Goes over one piece until `limit` messages have begun and another would.
  [[nodiscard]] Step walk(std::span<const std::uint8_t> piece, std::uint64_t limit);

  std::size_t left_ = 0;       ///< of the message's bytes
  std::uint8_t high_ = 0;      ///< the first byte of its length
  bool within_length_ = false; ///< that byte has come, the second has not
};

} // namespace slirpstack
