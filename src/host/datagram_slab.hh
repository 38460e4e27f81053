#pragma once

#include "base/bytes.hh"

#include <array>
#include <cstddef>
#include <memory>
#include <sys/socket.h>

namespace slirpstack {

/// Where datagrams are received, one batch at a time, whatever the socket: 64 buffers of 64 KiB
/// and the arrays that recvmmsg wants. Pages are taken when first used.
class DatagramSlab
{
public:
  static constexpr std::size_t BATCH = 64;
  static constexpr std::size_t BUFFER_BYTES = 65536;

  DatagramSlab() = default;
  ~DatagramSlab();
  DatagramSlab(const DatagramSlab&) = delete;
  DatagramSlab& operator=(const DatagramSlab&) = delete;
  DatagramSlab(DatagramSlab&&) = delete;
  DatagramSlab& operator=(DatagramSlab&&) = delete;
};

} // namespace slirpstack
