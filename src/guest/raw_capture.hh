#pragma once

#include "base/file_descriptor.hh"
#include "guest/frame_log.hh"

#include <string>

namespace slirpstack {

/// Writes the link's packets into a capture file as slirpnetstack does: the classic pcap format,
/// big-endian, of bare packets without an Ethernet header (link type RAW; ARP as its 28 bytes).
class RawCapture final : public FrameLog
{
public:
  /// Makes or empties the file. `is_ethernet`: the frames have an Ethernet header, which is left
  /// out. Throws std::system_error.
  RawCapture(const std::string& path, bool is_ethernet);

  void on_frame(Direction direction, std::span<const iovec> pieces) override;

private:
  FileDescriptor file_;
  bool is_ethernet_;
  bool failed_ = false; ///< reported once; the guest's network goes on
};

} // namespace slirpstack
