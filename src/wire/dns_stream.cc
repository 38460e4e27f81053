#include "wire/dns_stream.hh"

#include <algorithm>
#include <limits>

namespace slirpstack {

namespace {

std::span<const std::uint8_t> bytes_of(const iovec& piece)
{
  return {static_cast<const std::uint8_t*>(piece.iov_base), piece.iov_len};
}

} // namespace

std::size_t DnsStream::prefix(std::span<const iovec> next, std::uint64_t messages) const
{
  DnsStream ahead = *this;
  std::size_t total = 0;
  for (const iovec& piece : next) {
    const Step step = ahead.walk(bytes_of(piece), messages);
    total += step.bytes;
    messages -= step.messages;
    if (step.bytes < piece.iov_len) {
      break;
    }
  }
  return total;
}

std::uint64_t DnsStream::pass(std::span<const iovec> next, std::size_t length_bytes)
{
  std::uint64_t messages = 0;
  for (const iovec& piece : next) {
    const auto bytes = bytes_of(piece).first(std::min(piece.iov_len, length_bytes));
    messages += walk(bytes, std::numeric_limits<std::uint64_t>::max()).messages;
    length_bytes -= bytes.size();
  }
  return messages;
}

DnsStream::Step DnsStream::walk(std::span<const std::uint8_t> piece, std::uint64_t limit)
{
  Step step;
  while (step.bytes < piece.size()) {
    if (left_ > 0) {
      const std::size_t skipped = std::min(left_, piece.size() - step.bytes);
      left_ -= skipped;
      step.bytes += skipped;
    } else if (within_length_) {
      left_ = static_cast<std::size_t>(high_ << 8 | piece[step.bytes++]);
      within_length_ = false;
    } else if (step.messages == limit) {
      break;
    } else {
      high_ = piece[step.bytes++];
      within_length_ = true;
      ++step.messages;
    }
  }
  return step;
}

} // namespace slirpstack
