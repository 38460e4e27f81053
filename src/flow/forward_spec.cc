#include "flow/forward_spec.hh"

#include "base/error.hh"
#include "base/quoted.hh"
#include "flow/fields.hh"
#include "flow/forward_check.hh"
#include "flow/forward_hint.hh"
#include "flow/forward_side.hh"
#include "flow/grammar_error.hh"
#include "wire/ip.hh"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <span>

namespace slirpstack {

namespace {

using Place = ForwardSpec::Place;
using Side = ForwardSpec::Side;
using Fields = std::span<const ForwardField>;

constexpr std::array SCHEMES{ForwardScheme::tcp,
                             ForwardScheme::udp,
                             ForwardScheme::udprpc,
                             ForwardScheme::tcppp,
                             ForwardScheme::udpspp};

ForwardScheme parse_scheme(std::string_view name)
{
  const auto found = std::ranges::find(SCHEMES, name, scheme_name);
  if (found == SCHEMES.end()) {
    throw GrammarError(
      GrammarError::Mistake::unknown_protocol,
      name,
      fmt::format("unknown scheme {}: must be tcp, udp, udprpc, tcppp or udpspp", quoted(name)));
  }
  return *found;
}

/// The scheme at the front of `text`, which loses it.
ForwardScheme take_scheme(std::string_view& text)
{
  constexpr std::string_view SEPARATOR = "://";
  const std::size_t end = text.find(SEPARATOR);
  if (end == std::string_view::npos) {
    return ForwardScheme::tcp;
  }
  const ForwardScheme scheme = parse_scheme(text.substr(0, end));
  text.remove_prefix(end + SEPARATOR.size());
  return scheme;
}

/// ADDRESS:PORT:ADDRESS:PORT
constexpr std::size_t MOST_FIELDS = 4;

/// How many of the fields are the side that is bound.
std::size_t bound_fields(Fields fields)
{
  if (fields.size() == 1 || fields.front().is_unix) {
    return 1;
  }
  if (fields.back().is_unix) {
    return fields.size() - 1;
  }
  const bool begins_with_ports = fields.size() == 2 && fields.front().is_ports();
  return begins_with_ports || fields.size() == 3 ? 1 : 2;
}

[[noreturn]] void throw_too_many_parts(std::string_view text)
{
  throw UsageError(
    fmt::format("{}: has too many parts (IPv6 addresses, and paths with a colon, go in brackets)",
                quoted(text)));
}

/// `text` is where the fields are from.
Side parse_side(Fields fields, std::string_view text)
{
  if (fields.size() > 2) {
    throw_too_many_parts(text);
  }
  return parse_forward_side(fields);
}

Side parse_bind(Fields fields, std::string_view text)
{
  Side side = parse_side(fields, text);
  if (auto* const place = std::get_if<Place>(&side); place != nullptr && !place->ports) {
    place->ports = ForwardSpec::ANY_PORT;
  }
  return side;
}

/// BIND[:TARGET]
void parse_first(std::string_view text, ForwardSpec& spec)
{
  const std::vector<ForwardField> all = split_forward(text);
  const Fields fields(all);
  if (fields.size() > MOST_FIELDS) {
    throw_too_many_parts(text);
  }
  const std::size_t bound = bound_fields(fields);
  spec.bind = parse_bind(fields.first(bound), text);
  if (fields.size() > bound) {
    spec.targets.push_back(parse_side(fields.subspan(bound), text));
  }
}

void parse_further(std::span<const std::string_view> texts, ForwardSpec& spec)
{
  if (!texts.empty() && spec.targets.empty()) {
    throw UsageError(
      fmt::format("target {}: a further target needs a first one before it", quoted(texts[0])));
  }
  if (texts.size() >= ForwardSpec::MAX_TARGETS) {
    throw UsageError(fmt::format("more than {} targets", ForwardSpec::MAX_TARGETS));
  }
  for (const std::string_view text : texts) {
    if (text.empty()) {
      throw UsageError(fmt::format("{}: has an empty target", quoted(spec.text)));
    }
    spec.targets.push_back(parse_side(split_forward(text), text));
  }
}

bool is_ipv6_literal(const Side& side)
{
  const auto* const place = std::get_if<Place>(&side);
  const auto* const address = place == nullptr ? nullptr : std::get_if<IpAddress>(&place->host);
  return address != nullptr && address->is_ipv6();
}

bool has_host(const Place& place)
{
  return !std::holds_alternative<std::monostate>(place.host);
}

} // namespace

std::string_view scheme_name(ForwardScheme scheme)
{
  switch (scheme) {
    case ForwardScheme::tcp:
      return "tcp";
    case ForwardScheme::udp:
      return "udp";
    case ForwardScheme::udprpc:
      return "udprpc";
    case ForwardScheme::tcppp:
      return "tcppp";
    case ForwardScheme::udpspp:
      break;
  }
  return "udpspp";
}

std::uint8_t scheme_protocol(ForwardScheme scheme)
{
  const bool is_tcp = scheme == ForwardScheme::tcp || scheme == ForwardScheme::tcppp;
  return is_tcp ? PROTOCOL_TCP : PROTOCOL_UDP;
}

ForwardSpec ForwardSpec::parse(ForwardDirection direction, std::string_view text)
{
  ForwardSpec spec;
  spec.direction = direction;
  spec.text = text;
  spec.scheme = take_scheme(text);
  const auto parts = split_fields(text, ',');
  if (!parts) {
    throw UsageError(fmt::format("{}: the brackets do not pair", quoted(text)));
  }
  try {
    parse_first(parts->front(), spec);
    parse_further(std::span(*parts).subspan(1), spec);
  } catch (const GrammarError& error) {
    throw GrammarError(error.mistake(),
                       error.text(),
                       fmt::format("{}{}", error.what(), forward_hint(direction, spec.text)));
  }
  if (spec.targets.empty()) {
    spec.targets.emplace_back();
  }
  check_forward(spec);
  return spec;
}

PortRange ForwardSpec::bound_ports() const
{
  const auto* const place = std::get_if<Place>(&bind);
  return place == nullptr ? ANY_PORT : place->ports.value_or(ANY_PORT);
}

ForwardSpec with_defaults(ForwardSpec spec, const ForwardDefaults& defaults)
{
  const bool is_ipv6
    = is_ipv6_literal(spec.bind) || std::ranges::any_of(spec.targets, is_ipv6_literal);
  const bool is_local = spec.direction == ForwardDirection::local;
  const IpAddress loopback
    = is_ipv6 ? IpAddress::parse("::1").value() : IpAddress::ipv4(0x7f000001);
  const IpAddress guest = is_ipv6 ? defaults.guest_ipv6 : defaults.guest_ipv4;
  const IpAddress gateway = is_ipv6 ? defaults.gateway_ipv6 : defaults.gateway_ipv4;
  const PortRange bound = spec.bound_ports();
  if (auto* const bind = std::get_if<Place>(&spec.bind)) {
    // On a device other than lo nobody could ask for the loopback address.
    const IpAddress unnamed = is_local ? loopback : gateway;
    if (!has_host(*bind)) {
      bind->host = bind->device.empty() ? unnamed : IpAddress::any(unnamed.family());
    }
    bind->ports = bound;
  }
  spec.has_default_targets = std::ranges::none_of(spec.targets, [](const Side& side) {
    const auto* const target = std::get_if<Place>(&side);
    return target == nullptr || has_host(*target);
  });
  for (Side& side : spec.targets) {
    if (auto* const target = std::get_if<Place>(&side)) {
      if (!has_host(*target)) {
        target->host = is_local ? guest : loopback;
      }
      target->ports = target->ports.value_or(bound);
    }
  }
  return spec;
}

} // namespace slirpstack
