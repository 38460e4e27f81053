// Bytes as the kernel's news of interfaces.

#include "guest/mtu_news.hh"

#include "require.hh"

#include <vector>

using namespace slirpstack;

// NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const std::vector<std::uint8_t> aligned(data, data + size);
  const auto mtu = mtu_in(aligned, 2);
  require(!mtu || *mtu != 0);
  return 0;
}
