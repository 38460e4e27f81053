#include "flow/rule_destination.hh"

#include "base/error.hh"
#include "base/quoted.hh"
#include "flow/fields.hh"

#include <fmt/format.h>

namespace slirpstack {

namespace {

UsageError bad_length(std::string_view text, std::size_t slash)
{
  const std::string_view host = text.substr(0, slash);
  if (const auto address = IpAddress::parse(host)) {
    return UsageError(fmt::format("{}: the prefix length must be a number from 0 to {}",
                                  quoted(text),
                                  address->bytes().size() * 8));
  }
  if (IpAddress::parse(strip_brackets(host))) {
    return UsageError(
      fmt::format("{}: the prefix length goes inside of the brackets", quoted(text)));
  }
  return UsageError(fmt::format("{}: only an address has a prefix length", quoted(text)));
}

} // namespace

std::optional<RuleDestination> RuleDestination::split(std::string_view text)
{
  constexpr std::string_view SEPARATOR = "://";
  RuleDestination destination;
  if (const std::size_t end = text.find(SEPARATOR); end != std::string_view::npos) {
    destination.protocol = text.substr(0, end);
    text.remove_prefix(end + SEPARATOR.size());
  }
  const auto fields = split_fields(text, ':');
  if (!fields || fields->size() > 2) {
    return std::nullopt;
  }
  destination.host = fields->front();
  if (fields->size() == 2) {
    destination.ports = fields->back();
  }
  return destination;
}

std::optional<Rule::Protocol> parse_rule_protocol(std::string_view name)
{
  if (name == "tcp") {
    return Rule::Protocol::tcp;
  }
  if (name == "udp") {
    return Rule::Protocol::udp;
  }
  if (name == "icmp") {
    return Rule::Protocol::icmp;
  }
  return name == "any" ? std::optional(Rule::Protocol::any) : std::nullopt;
}

bool is_protocol_alone(const RuleDestination& destination)
{
  const std::string_view host = destination.host;
  return !destination.protocol && (host == "tcp" || host == "udp" || host == "icmp");
}

std::string no_destination_text(std::string_view text)
{
  return fmt::format("{}: must be HOST or HOST:PORTS; IPv6 goes in brackets, as in [2001:db8::/32]",
                     quoted(text));
}

std::string unknown_protocol_text(std::string_view name)
{
  return fmt::format("unknown protocol {}: must be tcp, udp, icmp or any", quoted(name));
}

std::string protocol_alone_text(const RuleDestination& destination, std::string_view next)
{
  const std::string_view name = destination.host;
  const std::string ports = destination.ports ? fmt::format(":{}", *destination.ports) : "";
  return fmt::format("{} is a protocol and no host: write {}://{}",
                     quoted(name),
                     name,
                     next.empty() ? fmt::format("any{}", ports) : std::string(next));
}

Rule::Host parse_rule_host(std::string_view text)
{
  const std::string_view host = strip_brackets(text);
  if (host == "any") {
    return {};
  }
  if (const auto prefix = Prefix::parse(host)) {
    return Prefix(prefix->network(), prefix->length_bits());
  }
  if (const std::size_t slash = host.find('/'); slash != std::string_view::npos) {
    throw bad_length(host, slash);
  }
  if (!is_host_name(host)) {
    throw UsageError(fmt::format("host {}: is neither an address nor a name", quoted(host)));
  }
  return HostName{.name = std::string(host), .server = {}};
}

} // namespace slirpstack
