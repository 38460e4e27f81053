#pragma once

#include "base/file_descriptor.hh"
#include "guest/frame_log.hh"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace slirpstack {

/// Writes every frame of the link into a pcapng file (draft-ietf-opsawg-pcapng), with the time in
/// nanoseconds and the direction. Super-packets appear whole, as the kernel handed them over. The
/// reader of a pipe is never waited for: frames that it has no room for are left out.
class Capture final : public FrameLog
{
public:
  /// Makes or empties the file; a FIFO needs its reader. `is_ethernet`: link type Ethernet; else
  /// bare IP. Throws std::system_error.
  Capture(const std::string& path, bool is_ethernet);

  void on_frame(Direction direction, std::span<const iovec> pieces) override;

private:
  void write_headers(bool is_ethernet);

  void keep_rest(std::span<const iovec> block, std::size_t written_bytes);
  /// False: a block is not finished, and no other can begin.
  [[nodiscard]] bool write_rest();
  void leave_out();
  void fail();

  FileDescriptor file_;
  bool waits_for_reader_ = false;  ///< a pipe: it may be full
  std::vector<std::uint8_t> rest_; ///< of a block that the pipe took in part
  std::uint64_t left_out_ = 0;
  bool failed_ = false; ///< reported once; the guest's network goes on
};

} // namespace slirpstack
