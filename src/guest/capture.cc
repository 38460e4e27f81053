#include "guest/capture.hh"

#include "base/error.hh"
#include "base/log.hh"

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace slirpstack {

namespace {

constexpr std::uint32_t SECTION_HEADER_BLOCK = 0x0a0d0d0a;
constexpr std::uint32_t INTERFACE_DESCRIPTION_BLOCK = 1;
constexpr std::uint32_t ENHANCED_PACKET_BLOCK = 6;
constexpr std::uint32_t BYTE_ORDER_MAGIC = 0x1a2b3c4d;
constexpr std::uint16_t LINKTYPE_ETHERNET = 1;
constexpr std::uint16_t LINKTYPE_RAW = 101;
constexpr std::uint16_t OPTION_IF_TSRESOL = 9;
constexpr std::uint16_t OPTION_EPB_FLAGS = 2;
constexpr std::uint8_t NANOSECONDS = 9; // as a negative power of ten

// A block in the byte order of the machine; the magic number tells the reader which it is.
class BlockWriter
{
public:
  template<typename Integer>
  void put(Integer value)
  {
    std::memcpy(bytes_.data() + length_, &value, sizeof value);
    length_ += sizeof value;
  }
  [[nodiscard]] iovec view() { return {bytes_.data(), length_}; }

private:
  std::array<std::uint8_t, 64> bytes_{};
  std::size_t length_ = 0;
};

std::uint64_t nanoseconds_now()
{
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U
         + static_cast<std::uint64_t>(now.tv_nsec);
}

} // namespace

Capture::Capture(const std::string& path, bool is_ethernet)
  : file_(
    system_call(fmt::format("open the capture file {}", path),
                ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_CLOEXEC, 0600)))
{
  struct stat status = {};
  waits_for_reader_ = ::fstat(file_.get(), &status) == 0 && !S_ISREG(status.st_mode);
  write_headers(is_ethernet);
}

void Capture::write_headers(bool is_ethernet)
{
  BlockWriter section;
  section.put(SECTION_HEADER_BLOCK);
  section.put(std::uint32_t{28});
  section.put(BYTE_ORDER_MAGIC);
  section.put(std::uint16_t{1}); // version 1.0
  section.put(std::uint16_t{0});
  section.put(std::int64_t{-1}); // the section's length is not known
  section.put(std::uint32_t{28});
  BlockWriter interface;
  interface.put(INTERFACE_DESCRIPTION_BLOCK);
  interface.put(std::uint32_t{32});
  interface.put(is_ethernet ? LINKTYPE_ETHERNET : LINKTYPE_RAW);
  interface.put(std::uint16_t{0});
  interface.put(std::uint32_t{0}); // no limit of length
  interface.put(OPTION_IF_TSRESOL);
  interface.put(std::uint16_t{1});
  interface.put(std::uint32_t{NANOSECONDS});
  interface.put(std::uint32_t{0}); // end of options
  interface.put(std::uint32_t{32});
  const std::array<iovec, 2> pieces{section.view(), interface.view()};
  system_call("write the capture file", ::writev(file_.get(), pieces.data(), pieces.size()));
}

void Capture::on_frame(Direction direction, std::span<const iovec> pieces)
{
  if (failed_ || !write_rest()) {
    return;
  }
  std::uint32_t length = 0;
  for (const iovec& piece : pieces) {
    length += static_cast<std::uint32_t>(piece.iov_len);
  }
  const std::uint32_t padding = (4 - length % 4) % 4;
  const std::uint32_t block_length = 28 + length + padding + 16; // fixed fields, options, length
  const std::uint64_t time = nanoseconds_now();
  BlockWriter head;
  head.put(ENHANCED_PACKET_BLOCK);
  head.put(block_length);
  head.put(std::uint32_t{0}); // interface 0
  head.put(static_cast<std::uint32_t>(time >> 32U));
  head.put(static_cast<std::uint32_t>(time));
  head.put(length);
  head.put(length);
  BlockWriter tail;
  for (std::uint32_t i = 0; i < padding; ++i) {
    tail.put(std::uint8_t{0});
  }
  tail.put(OPTION_EPB_FLAGS);
  tail.put(std::uint16_t{4});
  tail.put(
    std::uint32_t{direction == Direction::from_guest ? 1U : 2U}); // inbound, outbound: as we see it
  tail.put(std::uint32_t{0});
  tail.put(block_length);
  std::vector<iovec> block{head.view()};
  block.insert(block.end(), pieces.begin(), pieces.end());
  block.push_back(tail.view());
  const auto written = ::writev(file_.get(), block.data(), static_cast<int>(block.size()));
  if (written == static_cast<ssize_t>(block_length)) {
    return;
  }
  if (!waits_for_reader_ || (written < 0 && errno != EAGAIN)) {
    fail();
  } else if (written < 0) {
    leave_out();
  } else {
    keep_rest(block, static_cast<std::size_t>(written));
  }
}

void Capture::keep_rest(std::span<const iovec> block, std::size_t written_bytes)
{
  for (const iovec& piece : block) {
    const auto* const begin = static_cast<const std::uint8_t*>(piece.iov_base);
    const std::size_t skipped = std::min(written_bytes, piece.iov_len);
    rest_.insert(rest_.end(), begin + skipped, begin + piece.iov_len);
    written_bytes -= skipped;
  }
}

bool Capture::write_rest()
{
  if (rest_.empty()) {
    return true;
  }
  const ssize_t written = ::write(file_.get(), rest_.data(), rest_.size());
  if (written < 0 && errno != EAGAIN) {
    fail();
    return false;
  }
  rest_.erase(rest_.begin(), rest_.begin() + std::max<ssize_t>(written, 0));
  if (!rest_.empty()) {
    leave_out();
  }
  return rest_.empty();
}

void Capture::leave_out()
{
  if (left_out_++ == 0) {
    log(LogLevel::warning, "the reader of the capture is too slow: frames are left out");
  }
}

void Capture::fail()
{
  failed_ = true;
  log(LogLevel::error,
      "the capture file could not be written and ends here",
      {{"reason", last_error().message()}});
}

} // namespace slirpstack
