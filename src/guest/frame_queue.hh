#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <sys/uio.h>
#include <vector>

namespace slirpstack {

/// Frames that a device has no room for at the moment. A Unix datagram socket (-fd) holds about ten
/// (net.unix.max_dgram_qlen), far less than TCP has in flight; a tap's queue is in the guest's
/// kernel.
class FrameQueue
{
public:
  /// False: it is full, and the frame lost.
  [[nodiscard]] bool push(std::span<const iovec> pieces);
  /// Writes what there is room for to `descriptor`, in order. Returns how many frames were lost
  /// since the device does not take them at all.
  std::size_t write_to(int descriptor);
  [[nodiscard]] bool empty() const { return frames_.empty(); }

private:
  static constexpr std::size_t MAX_BYTES = 4 << 20;

  std::deque<std::vector<std::uint8_t>> frames_;
  std::size_t bytes_ = 0;
};

} // namespace slirpstack
