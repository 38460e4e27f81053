#pragma once

#include "load/numbered.hh"

#include <array>
#include <span>
#include <sys/socket.h>
#include <vector>

namespace slirpstack::bench {

/// Room for BATCH datagrams of one size, and the kernel's description of it.
class DatagramBatch
{
public:
  /// `datagram_bytes` is at least the size of a Sequence.
  explicit DatagramBatch(std::size_t datagram_bytes);

  /// For receiving: one byte more of room, so that a datagram that grew is seen.
  void expect_any_size();

  [[nodiscard]] std::span<mmsghdr> messages() { return messages_; }
  void number(std::size_t index, Sequence sequence);
  [[nodiscard]] Sequence sequence_of(std::size_t index) const;
  /// Whether the datagram received here has exactly the size expected: neither cut nor merged.
  [[nodiscard]] bool is_whole(std::size_t index) const;

private:
  std::size_t datagram_bytes_;
  std::vector<char> bytes_;
  std::array<iovec, BATCH> pieces_{};
  std::array<mmsghdr, BATCH> messages_{};
};

} // namespace slirpstack::bench
