#pragma once

#include <cstdint>
#include <span>
#include <sys/uio.h>

namespace slirpstack {

/// Is shown every frame of the link (a capture, for instance). The pieces are borrowed.
class FrameLog
{
public:
  virtual ~FrameLog() = default;
  enum class Direction : std::uint8_t
  {
    from_guest,
    to_guest,
  };
  virtual void on_frame(Direction direction, std::span<const iovec> pieces) = 0;
};

} // namespace slirpstack
