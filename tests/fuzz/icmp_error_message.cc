#include "require.hh"
#include "wire/icmp_error.hh"

using namespace slirpstack;

namespace {

bool lies_in(ByteView part, ByteView whole)
{
  return part.empty()
         || (part.data() >= whole.data()
             && part.data() + part.size() <= whole.data() + whole.size());
}

void check_message(Family family, ByteView message)
{
  const auto error = IcmpErrorMessage::parse(family, message);
  if (!error) {
    return;
  }
  const IpHeader& quoted = error->quoted;
  require(quoted.family() == family && quoted.source.family() == family);
  require(quoted.header_length_bytes <= error->quote.size());
  require(error->quote.size() <= quoted.total_length_bytes);
  require(lies_in(error->quote, message) && lies_in(error->transport(), error->quote));
  require(error->transport().empty() || error->transport().size() >= 8);
  // A packet that is quoted whole is read as it would be on its own.
  const auto whole = IpHeader::parse(error->quote);
  require(static_cast<bool>(whole) == (error->quote.size() == quoted.total_length_bytes));
  require(!whole || *whole == quoted);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  check_message(Family::ipv4, ByteView(data, size));
  check_message(Family::ipv6, ByteView(data, size));
  return 0;
}
