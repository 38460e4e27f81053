#include "face/map_settings.hh"

#include "face/values.hh"

#include <algorithm>
#include <array>

namespace slirpstack {

namespace {

constexpr std::string_view OPEN = ",open";

std::vector<Prefix> parse_prefixes(std::string_view text, MappingPart part)
{
  std::vector<Prefix> prefixes;
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    more = comma != std::string_view::npos;
    prefixes.push_back(parse_mapping_prefix(text.substr(0, comma), part));
    text.remove_prefix(more ? comma + 1 : text.size());
  }
  return prefixes;
}

} // namespace

Config::RestrictedSocket parse_restricted_socket(std::string_view text)
{
  const std::size_t colon = text.find(':');
  if (colon == 0 || colon == std::string_view::npos) {
    throw BadValue("must be PATH:INTERNAL/LENGTH[,…] to show mappings, with =EXTERNAL/LENGTH[,…] "
                   "behind it to change them, and ,open behind that to open them");
  }
  const std::string_view prefixes = text.substr(colon + 1);
  const std::size_t equals = prefixes.find('=');
  try {
    Config::RestrictedSocket socket{
      .path = parse_control_path(text.substr(0, colon)),
      .internal = parse_prefixes(prefixes.substr(0, equals), MappingPart::internal),
      .external = {}};
    if (equals != std::string_view::npos) {
      std::string_view external = prefixes.substr(equals + 1);
      socket.may_open = external.ends_with(OPEN);
      external.remove_suffix(socket.may_open ? OPEN.size() : 0);
      socket.external = parse_prefixes(external, MappingPart::external);
    }
    return socket;
  } catch (const MappingError& error) {
    throw BadValue(error.what());
  }
}

void apply_map_options(const OptionValues& values, Config& config)
{
  values.read_each("map", [&](std::string_view text) {
    try {
      config.mapping.edits.push_back(parse_map_add(text));
    } catch (const MappingError& error) {
      throw BadValue(error.what());
    }
  });
  values.read("map-file", [&](std::string_view text) {
    if (text.empty()) {
      throw BadValue("must not be empty");
    }
    config.mapping.file = std::string(text);
  });
  values.read_each("control-restricted", [&](std::string_view text) {
    config.control.restricted.push_back(parse_restricted_socket(text));
  });
}

} // namespace slirpstack
