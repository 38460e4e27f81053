#pragma once

#include "base/file_descriptor.hh"
#include "guest/frame_log.hh"

#include <string>

namespace slirpstack {

/// Writes every frame of the link into a pcapng file (draft-ietf-opsawg-pcapng), with the time in
/// nanoseconds and the direction. Super-packets appear whole, as the kernel handed them over.
class Capture final : public FrameLog
{
public:
  /// Makes or empties the file. `is_ethernet`: link type Ethernet; else bare IP. Throws
  /// std::system_error.
  Capture(const std::string& path, bool is_ethernet);

  void on_frame(Direction direction, std::span<const iovec> pieces) override;

private:
  void write_headers(bool is_ethernet);

  FileDescriptor file_;
  bool failed_ = false; ///< reported once; the guest's network goes on
};

} // namespace slirpstack
