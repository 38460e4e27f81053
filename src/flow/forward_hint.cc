#include "flow/forward_hint.hh"

#include "flow/fields.hh"
#include "flow/forward_side.hh"

#include <algorithm>
#include <fmt/format.h>
#include <vector>

namespace slirpstack {

namespace {

bool is_ports(std::string_view field)
{
  return ForwardField{.text = field}.is_ports();
}

bool is_host(std::string_view field)
{
  return IpAddress::parse(strip_brackets(field)) || field == "localhost"
         || (field.find('.') != std::string_view::npos && is_host_name(field));
}

/// Docker's `PORT/udp`.
std::string protocol_hint(std::string_view text)
{
  constexpr std::size_t LENGTH = 4;
  const std::string_view forward = text.substr(0, text.size() - std::min(LENGTH, text.size()));
  if (text.ends_with("/udp")) {
    return fmt::format("; UDP is udp://{}", forward);
  }
  return text.ends_with("/tcp") ? fmt::format("; TCP is {}", forward) : "";
}

} // namespace

std::string forward_hint(ForwardDirection direction, std::string_view text)
{
  constexpr std::string_view SEPARATOR = "://";
  const std::size_t scheme_end = text.find(SEPARATOR);
  const bool has_scheme = scheme_end != std::string_view::npos;
  const std::string_view scheme
    = text.substr(0, has_scheme ? scheme_end + SEPARATOR.size() : std::size_t{0});
  const std::string_view rest = text.substr(scheme.size());
  if (std::string hint = protocol_hint(rest); !has_scheme && !hint.empty()) {
    return hint;
  }
  const auto fields = split_fields(rest, ':');
  if (!fields || rest.find(',') != std::string_view::npos) {
    return {};
  }
  const bool is_local = direction == ForwardDirection::local;
  const std::vector<std::string_view>& parts = *fields;
  if (parts.size() == 2 && is_ports(parts[0]) && is_host(parts[1])) {
    return fmt::format(
      "; port, target address and target port is {0}{1}:{2}:{1}", scheme, parts[0], parts[1]);
  }
  const bool is_docker
    = parts.size() == 3 && is_host(parts[0]) && is_ports(parts[1]) && is_ports(parts[2]);
  if (!is_docker) {
    return {};
  }
  const auto address = IpAddress::parse(strip_brackets(parts[0]));
  if (!is_local && address && address->is_unspecified()) { // nothing that a guest could ask for
    return fmt::format("; port and host port is {}{}:{}", scheme, parts[1], parts[2]);
  }
  return fmt::format("; address, port and {} port is {}{}:{}::{}",
                     is_local ? "guest" : "host",
                     scheme,
                     parts[0],
                     parts[1],
                     parts[2]);
}

} // namespace slirpstack
