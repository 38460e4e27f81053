#pragma once

#include "wire/tcp.hh"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace slirpstack {

/// A TCP segment as a script says it. What is left out, the connection's end fills in.
struct Segment
{
  std::uint8_t flags = 0;
  std::string data;
  std::vector<std::uint8_t> options; ///< as on the wire, a multiple of four bytes
  std::optional<std::uint32_t> sequence;
  std::optional<std::uint32_t> acknowledgment;
  std::optional<std::uint16_t> window;

  Segment with(std::uint8_t more_flags) &&
  {
    flags |= more_flags;
    return std::move(*this);
  }
  Segment carrying(std::string text) &&
  {
    data = std::move(text);
    return std::move(*this);
  }
  Segment option(std::vector<std::uint8_t> bytes) &&
  {
    options.insert(options.end(), bytes.begin(), bytes.end());
    return std::move(*this);
  }
  Segment mss(std::uint16_t bytes) &&
  {
    return std::move(*this).option(
      {2, 4, static_cast<std::uint8_t>(bytes >> 8U), static_cast<std::uint8_t>(bytes)});
  }
  Segment window_scale(std::uint8_t shift) && { return std::move(*this).option({1, 3, 3, shift}); }
  Segment sack_permitted() && { return std::move(*this).option({1, 1, 4, 2}); }
  Segment at(std::uint32_t sequence_number) &&
  {
    sequence = sequence_number;
    return std::move(*this);
  }
  Segment acknowledging(std::uint32_t sequence_number) &&
  {
    acknowledgment = sequence_number;
    return std::move(*this);
  }
  Segment advertising(std::uint16_t window_as_sent) &&
  {
    window = window_as_sent;
    return std::move(*this);
  }
};

/// A client's SYN without options.
inline Segment plain_syn()
{
  return {.flags = TCP_FLAG_SYN};
}
/// The SYN of a Linux guest with an MTU of 1500.
inline Segment syn()
{
  return plain_syn().mss(1460).sack_permitted().window_scale(7);
}
inline Segment ack()
{
  return {.flags = TCP_FLAG_ACK};
}
inline Segment data(std::string text)
{
  return {.flags = TCP_FLAG_ACK | TCP_FLAG_PSH, .data = std::move(text)};
}
inline Segment fin()
{
  return {.flags = TCP_FLAG_ACK | TCP_FLAG_FIN};
}
inline Segment rst()
{
  return {.flags = TCP_FLAG_RST};
}

} // namespace slirpstack
