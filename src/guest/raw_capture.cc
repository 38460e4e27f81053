#include "guest/raw_capture.hh"

#include "base/bytes.hh"
#include "base/error.hh"
#include "base/log.hh"
#include "wire/ethernet.hh"

#include <algorithm>
#include <array>
#include <chrono>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <vector>

namespace slirpstack {

namespace {

constexpr std::uint32_t MAGIC_MICROSECONDS = 0xa1b2c3d4;
constexpr std::uint16_t VERSION_MAJOR = 2;
constexpr std::uint16_t VERSION_MINOR = 4;
constexpr std::uint32_t LONGEST_PACKET_BYTES = 65536;
constexpr std::uint32_t LINKTYPE_RAW = 101;
constexpr std::size_t FILE_HEADER_BYTES = 24;
constexpr std::size_t PACKET_HEADER_BYTES = 16;

/// The pieces without their first `skip` bytes.
std::vector<iovec> behind(std::span<const iovec> pieces, std::size_t skip)
{
  std::vector<iovec> rest;
  for (iovec piece : pieces) {
    const std::size_t skipped = std::min(skip, piece.iov_len);
    skip -= skipped;
    piece.iov_base = static_cast<std::uint8_t*>(piece.iov_base) + skipped;
    piece.iov_len -= skipped;
    if (piece.iov_len > 0) {
      rest.push_back(piece);
    }
  }
  return rest;
}

std::array<std::uint8_t, PACKET_HEADER_BYTES> packet_header(std::uint32_t length_bytes)
{
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  std::array<std::uint8_t, PACKET_HEADER_BYTES> header{};
  Writer writer(header);
  writer.u32(static_cast<std::uint32_t>(microseconds / 1'000'000));
  writer.u32(static_cast<std::uint32_t>(microseconds % 1'000'000));
  writer.u32(length_bytes);
  writer.u32(length_bytes);
  return header;
}

} // namespace

RawCapture::RawCapture(const std::string& path, bool is_ethernet)
  : file_(system_call(fmt::format("open the capture file {}", path),
                      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)))
  , is_ethernet_(is_ethernet)
{
  std::array<std::uint8_t, FILE_HEADER_BYTES> header{};
  Writer writer(header);
  writer.u32(MAGIC_MICROSECONDS);
  writer.u16(VERSION_MAJOR);
  writer.u16(VERSION_MINOR);
  writer.zeros(8);
  writer.u32(LONGEST_PACKET_BYTES);
  writer.u32(LINKTYPE_RAW);
  system_call("write the capture file", ::write(file_.get(), header.data(), header.size()));
}

void RawCapture::on_frame(Direction, std::span<const iovec> pieces)
{
  if (failed_) {
    return;
  }
  std::vector<iovec> record = behind(pieces, is_ethernet_ ? EthernetHeader::SIZE_BYTES : 0);
  std::uint32_t length_bytes = 0;
  for (const iovec& piece : record) {
    length_bytes += static_cast<std::uint32_t>(piece.iov_len);
  }
  auto header = packet_header(length_bytes);
  record.insert(record.begin(), iovec{header.data(), header.size()});
  const auto written = ::writev(file_.get(), record.data(), static_cast<int>(record.size()));
  if (written != static_cast<ssize_t>(PACKET_HEADER_BYTES + length_bytes)) {
    failed_ = true;
    log(LogLevel::error,
        "the capture file could not be written and ends here",
        {{"reason", last_error().message()}});
  }
}

} // namespace slirpstack
