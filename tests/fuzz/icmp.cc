#include "wire/icmp.hh"

#include "require.hh"

#include <vector>

using namespace slirpstack;

namespace {

/// What parses is written as the same bytes, but for the checksum.
void check(const IpAddress& address, ByteView message)
{
  const auto echo = IcmpEcho::parse(address.family(), message);
  if (!echo) {
    return;
  }
  std::vector<std::uint8_t> written(message.size());
  Writer writer(written);
  require(echo->write(writer, address, address) == message.size());
  require(std::ranges::equal(ByteView(written).first(2), message.first(2)));
  require(std::ranges::equal(ByteView(written).subspan(4), message.subspan(4)));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  check(IpAddress::any(Family::ipv4), ByteView(data, size));
  check(IpAddress::any(Family::ipv6), ByteView(data, size));
  return 0;
}
