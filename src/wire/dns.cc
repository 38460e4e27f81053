#include "wire/dns.hh"

#include <fmt/format.h>
#include <iterator>

namespace slirpstack {

namespace {

constexpr std::size_t MAXIMUM_LABEL_BYTES = 63;
constexpr std::size_t MAXIMUM_NAME_BYTES = 255;
constexpr std::uint16_t FLAGS_OPCODE = 0x7800;

/// Walks a name that is not compressed (RFC 1035 3.1) with its closing zero.
std::optional<Drop> skip_name(Reader& reader)
{
  const std::size_t before = reader.rest().size();
  for (std::uint8_t length_bytes = reader.u8(); length_bytes != 0; length_bytes = reader.u8()) {
    if (length_bytes > MAXIMUM_LABEL_BYTES) {
      return Drop::bad_header; // a compression pointer, or reserved
    }
    reader.skip(length_bytes);
  }
  if (reader.failed()) {
    return Drop::truncated;
  }
  if (before - reader.rest().size() > MAXIMUM_NAME_BYTES) {
    return Drop::bad_length;
  }
  return std::nullopt;
}

/// A query or a response.
Parsed<DnsQuery> parse_message(ByteView message)
{
  DnsQuery query;
  Reader reader(message);
  query.id = reader.u16();
  query.flags = reader.u16();
  const std::uint16_t questions = reader.u16();
  reader.skip(6);
  if (reader.failed()) {
    return Drop::truncated;
  }
  if (questions != 1) {
    return Drop::bad_header;
  }
  const ByteView from_question = reader.rest();
  if (const auto reason = skip_name(reader)) {
    return *reason;
  }
  query.type = reader.u16();
  reader.skip(2);
  if (reader.failed()) {
    return Drop::truncated;
  }
  query.question = from_question.first(from_question.size() - reader.rest().size());
  return query;
}

/// ASCII only (RFC 4343), whatever the locale. A label's length is below any letter.
std::uint8_t lower_case(std::uint8_t byte)
{
  return byte >= 'A' && byte <= 'Z' ? static_cast<std::uint8_t>(byte + ('a' - 'A')) : byte;
}

bool same_question(ByteView a, ByteView b)
{
  if (a.size() != b.size()) {
    return false;
  }
  const std::size_t name_bytes = a.size() - 4;
  return std::ranges::equal(a.last(4), b.last(4))
         && std::ranges::equal(
           a.first(name_bytes), b.first(name_bytes), {}, lower_case, lower_case);
}

void append_label(std::string& text, ByteView label)
{
  for (const std::uint8_t byte : label) {
    const bool is_plain = byte > ' ' && byte < 0x7f && byte != '.' && byte != '\\' && byte != '"';
    if (is_plain) {
      text += static_cast<char>(byte);
    } else {
      fmt::format_to(std::back_inserter(text), "\\{:03}", byte);
    }
  }
  text += '.';
}

} // namespace

Parsed<DnsQuery> DnsQuery::parse(ByteView message)
{
  const Parsed<DnsQuery> query = parse_message(message);
  if (query && (query->flags & DNS_FLAG_RESPONSE) != 0) {
    return Drop::unexpected_type;
  }
  return query;
}

std::string DnsQuery::name() const
{
  std::string text;
  Reader reader(question);
  for (std::uint8_t length_bytes = reader.u8(); length_bytes != 0; length_bytes = reader.u8()) {
    append_label(text, reader.take(length_bytes));
  }
  if (text.empty()) {
    return ".";
  }
  text.pop_back();
  return text;
}

std::size_t write_dns_failure(Writer& writer, const DnsQuery& query, DnsRcode rcode)
{
  const auto kept
    = static_cast<std::uint16_t>(query.flags & (FLAGS_OPCODE | DNS_FLAG_RECURSION_DESIRED));
  const std::size_t before = writer.written();
  writer.u16(query.id);
  writer.u16(static_cast<std::uint16_t>(kept | DNS_FLAG_RESPONSE | DNS_FLAG_RECURSION_AVAILABLE
                                        | static_cast<std::uint16_t>(rcode)));
  writer.u16(1);
  writer.zeros(6);
  writer.bytes(query.question);
  return writer.written() - before;
}

bool match_response(ByteView query, ByteView response)
{
  const Parsed<DnsQuery> asked = DnsQuery::parse(query);
  const Parsed<DnsQuery> answered = parse_message(response);
  return asked && answered && (answered->flags & DNS_FLAG_RESPONSE) != 0
         && asked->id == answered->id && same_question(asked->question, answered->question);
}

} // namespace slirpstack
