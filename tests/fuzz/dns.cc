#include "wire/dns.hh"

#include "require.hh"

using namespace slirpstack;

/// What parses can be named and refused, and the refusal answers it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const ByteView message(data, size);
  const auto query = DnsQuery::parse(message);
  if (!query) {
    require(!match_response(message, message));
    return 0;
  }
  require(!query->name().empty());
  std::array<std::uint8_t, DNS_FAILURE_MAX_BYTES> answer{};
  Writer writer(answer);
  const std::size_t length_bytes = write_dns_failure(writer, *query, DnsRcode::server_failure);
  require(!writer.failed() && length_bytes == DNS_HEADER_BYTES + query->question.size());
  require(match_response(message, ByteView(answer).first(length_bytes)));
  return 0;
}
