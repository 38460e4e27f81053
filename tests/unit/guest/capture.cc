#include "guest/capture.hh"

#include <array>
#include <cstring>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace slirpstack {

namespace {

using Bytes = std::vector<std::uint8_t>;

/// A file of its own that is gone with the test.
class File
{
public:
  File()
  {
    const int fd = ::mkstemp(path_.data());
    REQUIRE(fd >= 0);
    ::close(fd);
  }
  ~File() { ::unlink(path_.c_str()); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  File(File&&) = delete;
  File& operator=(File&&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] Bytes contents() const
  {
    std::ifstream stream(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  }

private:
  std::string path_ = std::filesystem::temp_directory_path() / "slirpstack-capture-XXXXXX";
};

struct PcapngBlock
{
  std::uint32_t type = 0;
  Bytes body;
};

std::uint32_t word_at(const Bytes& bytes, std::size_t offset)
{
  std::uint32_t word = 0; // in the machine's order, as it was written
  REQUIRE(offset + sizeof word <= bytes.size());
  std::memcpy(&word, bytes.data() + offset, sizeof word);
  return word;
}

/// draft-ietf-opsawg-pcapng 3.1: type, total length, body, total length again.
std::vector<PcapngBlock> blocks_of(const Bytes& file)
{
  std::vector<PcapngBlock> blocks;
  for (std::size_t at = 0; at < file.size();) {
    const std::uint32_t length = word_at(file, at + 4);
    REQUIRE(length % 4 == 0);
    REQUIRE(length >= 12);
    REQUIRE(at + length <= file.size());
    CHECK(word_at(file, at + length - 4) == length);
    const auto begin = file.begin() + static_cast<std::ptrdiff_t>(at);
    blocks.push_back({word_at(file, at), {begin + 8, begin + length - 4}});
    at += length;
  }
  return blocks;
}

} // namespace

TEST_CASE("a capture begins with a section and its interface")
{
  for (const bool is_ethernet : {true, false}) {
    const File file;
    const Capture capture(file.path(), is_ethernet);
    const auto blocks = blocks_of(file.contents());
    REQUIRE(blocks.size() == 2);
    CHECK(blocks[0].type == 0x0a0d0d0a);
    CHECK(word_at(blocks[0].body, 0) == 0x1a2b3c4d);
    CHECK(blocks[1].type == 1);
    CHECK((word_at(blocks[1].body, 0) & 0xffffU) == (is_ethernet ? 1 : 101)); // the link type
  }
}

TEST_CASE("each frame is a block with its bytes, length and direction, at every padding")
{
  const File file;
  Capture capture(file.path(), true);
  for (std::uint8_t length = 1; length <= 8; ++length) {
    Bytes bytes(length, length);
    const std::array<iovec, 2> pieces{iovec{bytes.data(), 1},
                                      iovec{bytes.data() + 1, bytes.size() - 1}};
    capture.on_frame(
      length % 2 == 0 ? FrameLog::Direction::from_guest : FrameLog::Direction::to_guest, pieces);
  }
  const auto blocks = blocks_of(file.contents());
  REQUIRE(blocks.size() == 10);
  for (std::uint8_t length = 1; length <= 8; ++length) {
    CAPTURE(int{length});
    const PcapngBlock& block = blocks[1U + length];
    CHECK(block.type == 6);
    CHECK(word_at(block.body, 12) == length); // captured
    CHECK(word_at(block.body, 16) == length); // original
    const auto begin = block.body.begin() + 20;
    CHECK(Bytes(begin, begin + length) == Bytes(length, length));
    const std::size_t options = 20 + (length + 3U) / 4 * 4;
    CHECK(word_at(block.body, options) == (4U << 16U | 2U)); // epb_flags, four bytes
    CHECK(word_at(block.body, options + 4) == (length % 2 == 0 ? 1 : 2));
    CHECK(word_at(block.body, options + 8) == 0);
  }
}

TEST_CASE("a capture file that cannot be made is told with its path")
{
  CHECK_THROWS_WITH_AS(Capture("/nowhere/capture.pcapng", true),
                       doctest::Contains("/nowhere/capture.pcapng"),
                       std::system_error);
}

TEST_CASE("a slow reader of a pipe gets whole frames, some of them not")
{
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) == 0);
  const FileDescriptor reader(ends[0]);
  const FileDescriptor writer(ends[1]);
  Capture capture(fmt::format("/proc/self/fd/{}", writer.get()), true);
  Bytes frame(1001, 'x');
  const iovec piece{frame.data(), frame.size()};
  const auto send_all = [&] {
    for (int i = 0; i < 200; ++i) {
      capture.on_frame(FrameLog::Direction::from_guest, {&piece, 1});
    }
  };
  send_all(); // returns, though nobody reads
  Bytes heard;
  const auto hear = [&] {
    Bytes part(1 << 17);
    const ssize_t length = ::read(reader.get(), part.data(), part.size());
    REQUIRE(length > 0);
    heard.insert(heard.end(), part.begin(), part.begin() + length);
  };
  hear();
  capture.on_frame(FrameLog::Direction::from_guest, {&piece, 1}); // what was begun goes on
  hear();
  const std::vector<PcapngBlock> blocks = blocks_of(heard);
  CHECK(blocks.size() > 50);
  CHECK(blocks.size() < 200);
}

TEST_CASE("a FIFO without a reader is an error, not a wait")
{
  const File place;
  const std::string path = place.path() + ".fifo";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  CHECK_THROWS_AS(Capture(path, true), std::system_error);
  ::unlink(path.c_str());
}

} // namespace slirpstack
