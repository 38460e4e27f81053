#include "guest/frame_queue.hh"

#include <cerrno>
#include <unistd.h>
#include <utility>

namespace slirpstack {

bool FrameQueue::push(std::span<const iovec> pieces)
{
  std::vector<std::uint8_t> frame;
  for (const iovec& piece : pieces) {
    const auto* const begin = static_cast<const std::uint8_t*>(piece.iov_base);
    frame.insert(frame.end(), begin, begin + piece.iov_len);
  }
  if (bytes_ + frame.size() > MAX_BYTES) {
    return false;
  }
  bytes_ += frame.size();
  frames_.push_back(std::move(frame));
  return true;
}

std::size_t FrameQueue::write_to(int descriptor)
{
  std::size_t lost = 0;
  while (!frames_.empty()) {
    const std::vector<std::uint8_t>& frame = frames_.front();
    if (::write(descriptor, frame.data(), frame.size()) < 0) {
      if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) {
        break;
      }
      ++lost;
    }
    bytes_ -= frame.size();
    frames_.pop_front();
  }
  return lost;
}

} // namespace slirpstack
