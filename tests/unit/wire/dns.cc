#include "wire/dns.hh"

#include "sample.hh"
#include "vectors.hh"

using namespace slirpstack;
using namespace sample;

namespace {

const char* const HEADER = "beef01000001000000000000";

/// A query for that name, in wire form and hex, type A, class IN.
Bytes query_for(const std::string& name)
{
  return hex(HEADER + name + "00010001");
}

std::string label(std::size_t length_bytes)
{
  std::string text = length_bytes == 63 ? "3f" : length_bytes == 62 ? "3e" : "3d";
  for (std::size_t i = 0; i < length_bytes; ++i) {
    text += "61";
  }
  return text;
}

/// The answer without records to a query.
Bytes response_to(Bytes query)
{
  query[2] |= 0x80U;
  return query;
}

} // namespace

TEST_CASE("a DNS query is read, and its failure echoes it")
{
  const Bytes message = hex(vectors::DNS_QUERY);
  const auto query = DnsQuery::parse(message);
  REQUIRE(query);
  CHECK(query->id == 0xbeef);
  CHECK(query->flags == DNS_FLAG_RECURSION_DESIRED);
  CHECK(query->type == 1);
  CHECK(query->name() == "example.com");
  CHECK(copy(query->question) == Bytes(message.begin() + 12, message.end()));

  Bytes buffer(DNS_FAILURE_MAX_BYTES);
  Writer writer(buffer);
  buffer.resize(write_dns_failure(writer, *query, DnsRcode::server_failure));
  CHECK(buffer == hex("beef81820001000000000000076578616d706c6503636f6d0000010001"));
}

TEST_CASE("a failure leaves EDNS and the other flags out")
{
  const Bytes message = hex(vectors::DNS_QUERY_EDNS);
  const auto query = DnsQuery::parse(message);
  REQUIRE(query);
  CHECK(query->type == 28);
  Bytes buffer(DNS_FAILURE_MAX_BYTES);
  Writer writer(buffer);
  buffer.resize(write_dns_failure(writer, *query, DnsRcode::refused));
  CHECK(buffer == hex("beef81850001000000000000076578616d706c6503636f6d00001c0001"));
}

TEST_CASE("names are shown with dots, and odd bytes as numbers")
{
  struct Case
  {
    std::string wire;
    std::string text;
  };
  const Case cases[] = {
    {"00", "."},
    {"016100", "a"},
    {"0161026263"
     "00",
     "a.bc"},
    {"04412e5c0a00", "A\\046\\092\\010"},
    {"02c3a900", "\\195\\169"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.wire);
    const Bytes message = query_for(each.wire);
    const auto query = DnsQuery::parse(message);
    REQUIRE(query);
    CHECK(query->name() == each.text);
  }
}

TEST_CASE("a name may have 255 bytes and a label 63")
{
  const std::string three = label(63) + label(63) + label(63);
  const Bytes longest = query_for(three + label(61) + "00");
  const auto query = DnsQuery::parse(longest);
  REQUIRE(query);
  Bytes buffer(DNS_FAILURE_MAX_BYTES);
  Writer writer(buffer);
  CHECK(write_dns_failure(writer, *query, DnsRcode::refused) == DNS_FAILURE_MAX_BYTES);
  CHECK(DnsQuery::parse(query_for(three + label(62) + "00")).drop() == Drop::bad_length);
}

TEST_CASE("a query of another shape is named")
{
  struct Case
  {
    std::string what;
    Bytes message;
    Drop reason;
  };
  const Case cases[] = {
    {"a response", response_to(hex(vectors::DNS_QUERY)), Drop::unexpected_type},
    {"a compressed name", query_for("c00c"), Drop::bad_header},
    {"a label of 64 bytes", query_for("40"), Drop::bad_header},
    {"no question", hex("beef01000000000000000000"), Drop::bad_header},
    {"two questions",
     hex("beef01000002000000000000000001000100"
         "00010001"),
     Drop::bad_header},
    {"a name without an end", hex(std::string(HEADER) + "0161"), Drop::truncated},
  };
  for (const Case& each : cases) {
    CAPTURE(each.what);
    const auto query = DnsQuery::parse(each.message);
    REQUIRE_FALSE(query);
    CHECK(query.drop() == each.reason);
  }
}

TEST_CASE("a query cut anywhere is truncated")
{
  every_truncation(hex(vectors::DNS_QUERY), [](const Bytes& prefix) {
    const auto query = DnsQuery::parse(prefix);
    REQUIRE_FALSE(query);
    CHECK(query.drop() == Drop::truncated);
  });
}

TEST_CASE("a response matches its query, whatever the case of the letters")
{
  const Bytes query = hex(vectors::DNS_QUERY);
  Bytes response = response_to(query);
  CHECK(match_response(query, response));
  response[13] = 'E';
  CHECK(match_response(query, response));
  response.resize(response.size() + 30); // records
  CHECK(match_response(query, response));
}

TEST_CASE("a response to another question does not match")
{
  const Bytes query = hex(vectors::DNS_QUERY);
  CHECK_FALSE(match_response(query, query));
  const Bytes response = response_to(query);
  struct Case
  {
    std::string what;
    std::size_t at;
  };
  for (const Case& each : {Case{"id", 1}, {"name", 14}, {"type", 26}, {"class", 28}}) {
    CAPTURE(each.what);
    Bytes other = response;
    other[each.at] ^= 1U;
    CHECK_FALSE(match_response(query, other));
  }
  every_truncation(response,
                   [&query](const Bytes& prefix) { CHECK_FALSE(match_response(query, prefix)); });
}

TEST_CASE("random names come back as they went")
{
  Random random;
  for (int round = 0; round < 500; ++round) {
    CAPTURE(round);
    Bytes message = hex(HEADER);
    std::string text;
    for (std::size_t labels = 1 + random.below(5); labels > 0; --labels) {
      const std::size_t length_bytes = 1 + random.below(40);
      message.push_back(static_cast<std::uint8_t>(length_bytes));
      for (std::size_t i = 0; i < length_bytes; ++i) {
        message.push_back(static_cast<std::uint8_t>('a' + random.below(26)));
        text += static_cast<char>(message.back());
      }
      text += labels > 1 ? "." : "";
    }
    message.resize(message.size() + 5);
    const auto query = DnsQuery::parse(message);
    REQUIRE(query);
    CHECK(query->name() == text);
    CHECK(match_response(message, response_to(message)));
  }
}
