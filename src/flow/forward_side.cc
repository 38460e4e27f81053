#include "flow/forward_side.hh"

#include "base/error.hh"
#include "base/quoted.hh"
#include "flow/fields.hh"
#include "flow/grammar_error.hh"

#include <algorithm>
#include <fmt/format.h>

namespace slirpstack {

namespace {

constexpr std::string_view DIGITS = "0123456789";
constexpr std::string_view UNIX = "unix";

bool has_control_character(std::string_view text)
{
  return std::ranges::any_of(text, [](char character) {
    const auto code = static_cast<unsigned char>(character);
    return code < 0x20 || code == 0x7f;
  });
}

ForwardField unix_field(std::string_view path)
{
  check_unix_path(path);
  return {.text = path, .is_unix = true};
}

/// Throws unless it is a name of an interface that the kernel takes literally.
std::string parse_device(std::string_view text)
{
  constexpr std::size_t LONGEST = 15; // IFNAMSIZ with its final zero
  if (text.empty() || text.size() > LONGEST || text == "." || text == ".."
      || text.find_first_of("/:% ") != std::string_view::npos || has_control_character(text)) {
    throw UsageError(fmt::format("device {}: must be an interface name of 1 to 15 characters, "
                                 "without '/', ':', '%' or blanks",
                                 quoted(text)));
  }
  return std::string(text);
}

/// An address in its one spelling, or a name. Throws for anything else.
std::string parse_server_host(std::string_view text)
{
  if (const auto address = IpAddress::parse(text)) {
    return address->to_string();
  }
  if (!is_host_name(text)) {
    throw UsageError(fmt::format("DNS server {}: is neither an address nor a name", quoted(text)));
  }
  return std::string(text);
}

/// `PORT` of this host, or `HOST[:PORT]`.
HostName::Server parse_server(std::string_view text)
{
  if (text.find_first_not_of(DIGITS) == std::string_view::npos) {
    return {.host = "127.0.0.1", .port = parse_port_text(text)};
  }
  if (IpAddress::parse(text)) {
    return {.host = parse_server_host(text)};
  }
  const auto fields = split_fields(text, ':');
  if (!fields || fields->size() > 2) {
    throw UsageError(fmt::format("DNS server {}: must be PORT, HOST or HOST:PORT", quoted(text)));
  }
  HostName::Server server{.host = parse_server_host(strip_brackets(fields->front()))};
  if (fields->size() == 2) {
    server.port = parse_port_text(fields->back());
  }
  return server;
}

/// `QUERY@srv-SERVER`; `at` is where the '@' stands.
HostName parse_query(std::string_view text, std::size_t at)
{
  const std::string_view query = text.substr(0, at);
  const std::string_view behind = text.substr(at + 1);
  const std::size_t dash = behind.find('-');
  if (const std::string_view type = behind.substr(0, dash); type != "srv") {
    throw GrammarError(GrammarError::Mistake::unknown_query,
                       type,
                       fmt::format("{}: a query is QUERY@srv-SERVER", quoted(text)));
  }
  if (dash == std::string_view::npos || dash + 1 == behind.size()) {
    throw UsageError(fmt::format("{}: names no DNS server: QUERY@srv-SERVER", quoted(text)));
  }
  if (!is_host_name(query)) {
    throw UsageError(fmt::format("{}: {} is no name to ask for", quoted(text), quoted(query)));
  }
  HostName name{.name = std::string(query), .server = parse_server(behind.substr(dash + 1))};
  if (name.server->port == 0) {
    throw UsageError(fmt::format("{}: a DNS server has no port 0", quoted(text)));
  }
  return name;
}

ForwardSpec::Host parse_host(std::string_view text)
{
  if (text.empty()) {
    return {};
  }
  if (const auto address = IpAddress::parse(text)) {
    return *address;
  }
  if (const std::size_t at = text.find('@'); at != std::string_view::npos) {
    return parse_query(text, at);
  }
  if (!is_host_name(text)) {
    throw UsageError(fmt::format("host {}: is neither an address nor a name", quoted(text)));
  }
  return HostName{.name = std::string(text), .server = {}};
}

std::optional<PortRange> parse_ports(std::string_view text)
{
  if (text.empty()) {
    return std::nullopt;
  }
  // "-5" is no range that lacks its beginning, but a wrong number.
  const PortRange range
    = text.front() == '-' ? PortRange{parse_port_text(text), 0} : parse_port_range(text);
  if (range.first > range.last) {
    throw UsageError(fmt::format("ports {}: the first is greater than the last", quoted(text)));
  }
  if (range.first == 0 && range.last != 0) {
    throw UsageError(fmt::format("ports {}: a range begins at 1, as 0 means any", quoted(text)));
  }
  return range;
}

} // namespace

void check_unix_path(std::string_view path)
{
  constexpr std::size_t LONGEST = 107; // sun_path has 108 bytes with the final zero
  if (!path.starts_with('/') && !path.starts_with('@')) {
    throw UsageError(fmt::format(
      "Unix socket path {}: must begin with '/', or with '@' for an abstract name", quoted(path)));
  }
  if (path.size() == 1) {
    throw UsageError(fmt::format("Unix socket path {}: has no name", quoted(path)));
  }
  if (path.size() > LONGEST) {
    throw UsageError(
      fmt::format("Unix socket path {}: is longer than {} bytes", quoted(path), LONGEST));
  }
  if (has_control_character(path)) {
    throw UsageError(fmt::format("Unix socket path {}: has a control character", quoted(path)));
  }
}

bool ForwardField::is_ports() const
{
  return !is_unix && !text.empty() && DIGITS.find(text.front()) != std::string_view::npos
         && text.find_first_not_of("0123456789-") == std::string_view::npos;
}

std::vector<ForwardField> split_forward(std::string_view text)
{
  const auto raw = split_fields(text, ':');
  if (!raw) {
    throw UsageError(fmt::format("{}: the brackets do not pair", quoted(text)));
  }
  std::vector<ForwardField> fields;
  for (auto next = raw->begin(); next != raw->end(); ++next) {
    const std::string_view field = strip_brackets(*next);
    // `unix:80` is port 80 of a host that is called so.
    if (*next == UNIX && next + 1 != raw->end() && !ForwardField{.text = *(next + 1)}.is_ports()) {
      fields.push_back(unix_field(strip_brackets(*++next)));
    } else if (field.size() > UNIX.size() && field.starts_with(UNIX) && field[UNIX.size()] == ':') {
      fields.push_back(unix_field(field.substr(UNIX.size() + 1)));
    } else {
      fields.push_back({.text = field});
    }
  }
  return fields;
}

ForwardSpec::Side parse_forward_side(std::span<const ForwardField> fields)
{
  const auto unix = std::ranges::find_if(fields, &ForwardField::is_unix);
  if (unix != fields.end()) {
    if (fields.size() > 1) {
      throw UsageError(fmt::format(
        "unix:{} stands for a side of its own: no address and no port go with it", unix->text));
    }
    return UnixPath{std::string(unix->text)};
  }
  ForwardSpec::Place place;
  place.ports = parse_ports(fields.back().text);
  if (fields.size() > 1) {
    const std::string_view address = fields.front().text;
    const std::size_t percent = address.find('%');
    if (percent == std::string_view::npos) {
      place.host = parse_host(address);
    } else {
      place.host = parse_host(strip_brackets(address.substr(0, percent)));
      place.device = parse_device(address.substr(percent + 1));
    }
  }
  return place;
}

} // namespace slirpstack
