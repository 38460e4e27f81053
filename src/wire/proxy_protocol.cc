#include "wire/proxy_protocol.hh"

#include <array>
#include <charconv>
#include <fmt/format.h>
#include <string_view>

namespace slirpstack {

namespace {

constexpr std::size_t MAXIMUM_LINE_BYTES = 107; // section 2.1, with its CRLF
constexpr std::string_view UNKNOWN = "PROXY UNKNOWN";

constexpr std::array<std::uint8_t, 12>
  SIGNATURE{0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
constexpr std::size_t FIXED_BYTES = 16; // signature, version and command, family, length
constexpr std::uint8_t VERSION_2 = 0x20;
constexpr std::uint8_t COMMAND_PROXY = 1;
constexpr std::uint8_t FAMILY_INET = 1;
constexpr std::uint8_t FAMILY_INET6 = 2;
constexpr std::uint8_t FAMILY_UNIX = 3;
constexpr std::uint8_t TRANSPORT_STREAM = 1;
constexpr std::uint8_t TRANSPORT_DATAGRAM = 2;

std::string_view as_text(ByteView bytes)
{
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::optional<std::uint16_t> parse_port(std::string_view digits)
{
  std::uint16_t port = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, port);
  return error == std::errc() && stop == end ? std::optional(port) : std::nullopt;
}

/// PROXY, keyword, two addresses, two ports; of more fields only the count is kept.
struct Fields
{
  std::array<std::string_view, 6> text;
  std::size_t count = 0;
};

Fields split(std::string_view line)
{
  Fields fields;
  for (std::size_t end = 0; end != std::string_view::npos; ++fields.count) {
    end = line.find(' ');
    if (fields.count < fields.text.size()) {
      fields.text[fields.count] = line.substr(0, end);
    }
    line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  }
  return fields;
}

bool is_field(std::size_t index, std::string_view text)
{
  switch (index) {
    case 0:
      return text == "PROXY";
    case 1:
      return text == "TCP4" || text == "TCP6";
    case 2:
    case 3:
      return IpAddress::parse(text).has_value();
    default:
      return parse_port(text).has_value();
  }
}

/// Whether what has come of a field may be its beginning.
bool may_begin_field(std::size_t index, std::string_view text)
{
  const auto begins = [text](std::string_view word) { return word.starts_with(text); };
  switch (index) {
    case 0:
      return begins("PROXY");
    case 1:
      return begins("TCP4") || begins("TCP6") || begins("UNKNOWN");
    case 2:
    case 3:
      return text.find_first_not_of("0123456789abcdefABCDEF.:") == std::string_view::npos;
    default:
      return text.empty() || parse_port(text).has_value();
  }
}

bool are_fields(const Fields& fields, std::size_t count)
{
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_field(i, fields.text[i])) {
      return false;
    }
  }
  return true;
}

/// Whether `text`, in which the line has not ended yet, may become one. A client that speaks
/// something else is found out at its first bytes, not when its patience ends.
bool may_begin_line(std::string_view text)
{
  if (text.starts_with(UNKNOWN)) {
    const std::string_view rest = text.substr(UNKNOWN.size());
    return rest.empty() || rest.front() == ' ' || rest == "\r";
  }
  const bool ends = text.ends_with('\r');
  const Fields fields = split(text.substr(0, text.size() - (ends ? 1 : 0)));
  if (fields.count > fields.text.size()) {
    return false;
  }
  if (ends) {
    return fields.count == fields.text.size() && are_fields(fields, fields.count);
  }
  const std::size_t last = fields.count - 1;
  return are_fields(fields, last) && may_begin_field(last, fields.text[last]);
}

Parsed<ProxyHeader> parse_text(std::string_view text)
{
  const std::string_view within = text.substr(0, MAXIMUM_LINE_BYTES);
  const std::size_t end = within.find("\r\n");
  if (end == std::string_view::npos) {
    if (!may_begin_line(within)) {
      return Drop::bad_header;
    }
    return within.size() == MAXIMUM_LINE_BYTES ? Drop::bad_length : Drop::truncated;
  }
  ProxyHeader header;
  header.length_bytes = end + 2;
  const std::string_view line = within.substr(0, end);
  // What follows that keyword is to be ignored (section 2.1).
  if (line.starts_with(UNKNOWN) && (line.size() == UNKNOWN.size() || line[UNKNOWN.size()] == ' ')) {
    return header;
  }
  const Fields fields = split(line);
  if (fields.count != fields.text.size() || !are_fields(fields, fields.count)) {
    return Drop::bad_header;
  }
  header.source = {*IpAddress::parse(fields.text[2]), *parse_port(fields.text[4])};
  header.destination = {*IpAddress::parse(fields.text[3]), *parse_port(fields.text[5])};
  return header;
}

/// The length of the addresses and ports; 0 where there are none that we could use. A LOCAL
/// connection's family is to be ignored (section 2.2).
std::size_t address_block_bytes(std::uint8_t version_command, std::uint8_t family_transport)
{
  const bool is_known
    = (version_command & 0x0fU) == COMMAND_PROXY && (family_transport & 0x0fU) != 0;
  const unsigned family = is_known ? family_transport >> 4U : 0;
  if (family == FAMILY_INET) {
    return 2 * 4 + 2 * 2;
  }
  return family == FAMILY_INET6 ? 2 * 16 + 2 * 2 : 0;
}

/// What is wrong with as much of the fixed part as has come.
std::optional<Drop> objection(ByteView bytes)
{
  const std::size_t compared = std::min(bytes.size(), SIGNATURE.size());
  if (!std::ranges::equal(bytes.first(compared), ByteView(SIGNATURE).first(compared))) {
    return Drop::bad_header;
  }
  std::array<std::uint8_t, FIXED_BYTES> fixed{};
  fixed[12] = VERSION_2;
  std::ranges::copy(bytes.first(std::min(bytes.size(), fixed.size())), fixed.begin());
  if ((fixed[12] & 0xf0U) != VERSION_2) {
    return Drop::bad_version;
  }
  const unsigned command = fixed[12] & 0x0fU;
  const bool is_proxy = command == COMMAND_PROXY;
  if (command > COMMAND_PROXY
      || (is_proxy
          && (fixed[13] >> 4U > FAMILY_UNIX || (fixed[13] & 0x0fU) > TRANSPORT_DATAGRAM))) {
    return Drop::bad_header;
  }
  const std::size_t following_bytes = Reader(ByteView(fixed).subspan(14)).u16();
  if (FIXED_BYTES + following_bytes > ProxyHeader::MAX_BYTES) {
    return Drop::bad_length;
  }
  if (bytes.size() >= FIXED_BYTES && following_bytes < address_block_bytes(fixed[12], fixed[13])) {
    return Drop::bad_length;
  }
  return std::nullopt;
}

template<std::size_t Size>
void read_addresses(Reader& reader, ProxyHeader& header)
{
  const IpAddress source(reader.bytes<Size>());
  const IpAddress destination(reader.bytes<Size>());
  header.source = {source, reader.u16()};
  header.destination = {destination, reader.u16()};
}

Parsed<ProxyHeader> parse_binary(ByteView bytes)
{
  if (const auto reason = objection(bytes)) {
    return *reason;
  }
  Reader reader(bytes);
  reader.skip(SIGNATURE.size());
  const std::uint8_t version_command = reader.u8();
  const std::uint8_t family_transport = reader.u8();
  ProxyHeader header;
  header.version = ProxyHeader::Version::binary;
  header.length_bytes = FIXED_BYTES + reader.u16();
  if (reader.failed() || bytes.size() < header.length_bytes) {
    return Drop::truncated;
  }
  if (address_block_bytes(version_command, family_transport) == 0) {
    return header;
  }
  if (family_transport >> 4U == FAMILY_INET) {
    read_addresses<4>(reader, header);
  } else {
    read_addresses<16>(reader, header);
  }
  return header;
}

void write_text(Writer& writer, const std::optional<Endpoint>& from, const Endpoint& to)
{
  const std::string line = from ? fmt::format("PROXY TCP{} {} {} {} {}\r\n",
                                              from->address.is_ipv4() ? 4 : 6,
                                              from->address.to_string(),
                                              to.address.to_string(),
                                              from->port,
                                              to.port)
                                : fmt::format("{}\r\n", UNKNOWN);
  for (const char character : line) {
    writer.u8(static_cast<std::uint8_t>(character));
  }
}

void write_binary(Writer& writer, const std::optional<Endpoint>& from, const Endpoint& to)
{
  writer.bytes(SIGNATURE);
  writer.u8(VERSION_2 | COMMAND_PROXY);
  if (!from) {
    writer.zeros(3); // of no family, and nothing follows
    return;
  }
  const std::uint8_t family = from->address.is_ipv4() ? FAMILY_INET : FAMILY_INET6;
  writer.u8(static_cast<std::uint8_t>(family << 4U | TRANSPORT_STREAM));
  writer.u16(static_cast<std::uint16_t>(2 * from->address.bytes().size() + 4));
  writer.bytes(from->address.bytes());
  writer.bytes(to.address.bytes());
  writer.u16(from->port);
  writer.u16(to.port);
}

} // namespace

Parsed<ProxyHeader> ProxyHeader::parse(ByteView bytes)
{
  if (bytes.empty()) {
    return Drop::truncated;
  }
  return bytes.front() == SIGNATURE.front() ? parse_binary(bytes) : parse_text(as_text(bytes));
}

std::size_t ProxyHeader::write(Writer& writer) const
{
  const std::size_t before = writer.written();
  const bool is_known
    = source && destination && source->address.family() == destination->address.family();
  const std::optional<Endpoint> from = is_known ? source : std::nullopt;
  const Endpoint to = destination.value_or(Endpoint());
  if (version == Version::text) {
    write_text(writer, from, to);
  } else {
    write_binary(writer, from, to);
  }
  return writer.written() - before;
}

} // namespace slirpstack
