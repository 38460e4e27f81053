#pragma once

#include "flow/host_network.hh"

#include <cstddef>
#include <memory>
#include <span>

namespace slirpstack {

/// Where datagrams are received, one batch at a time, whatever the socket: 64 buffers of 64 KiB
/// and the arrays that recvmmsg wants. The system gives a buffer's memory when it is first used.
class DatagramSlab
{
public:
  static constexpr std::size_t BATCH = 64;

  /// Throws std::system_error.
  DatagramSlab();
  ~DatagramSlab();
  DatagramSlab(const DatagramSlab&) = delete;
  DatagramSlab& operator=(const DatagramSlab&) = delete;
  DatagramSlab(DatagramSlab&&) = delete;
  DatagramSlab& operator=(DatagramSlab&&) = delete;

  /// Receives up to BATCH datagrams, which stay valid until the next call. A count below BATCH
  /// means that the socket was drained. On failure, nothing, with the reason in errno.
  std::span<const InboundDatagram> receive(int descriptor);
  /// Gives the buffers' memory back to the system.
  void trim();

private:
  struct Arrays;

  std::unique_ptr<Arrays> arrays_;
};

} // namespace slirpstack
