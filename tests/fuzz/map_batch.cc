// A batch of map edits: its additions, written out, are read again as what they were; applied, it
// changes a map as a whole or not at all.

#include "flow/map_edit.hh"
#include "require.hh"

#include <fmt/format.h>
#include <string>

using namespace slirpstack;

namespace {

std::string listing(const PrefixMap& map)
{
  std::string text;
  map.for_each([&](const PrefixMapping& mapping) { text += mapping.to_string() + '\n'; });
  return text;
}

void check_edit(const MapEdit& edit)
{
  require(edit.line > 0);
  if (edit.kind != MapEdit::Kind::add) {
    return;
  }
  const PrefixMapping& mapping = edit.mapping;
  const MapEdit again = parse_map_add(fmt::format("{} {} {}{}",
                                                  mapping.interface,
                                                  mapping.internal.to_string(),
                                                  mapping.external.to_string(),
                                                  mapping.words()));
  require(again.mapping == mapping);
}

/// Every mapping in force brings its own first address out and back.
void check_map(const PrefixMap& map)
{
  map.for_each([&](const PrefixMapping& mapping) {
    const Translation out = map.to_external(mapping.internal.address());
    require(out.mapping == nullptr || !out.address || out.mapping->external.contains(*out.address));
  });
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const std::string text(data, data + size);
  PrefixMap map({1, 2});
  map.allow_open();
  map.add({.interface = "eth0",
           .internal = Prefix::parse("2001:db8:1::/64").value(),
           .external = Prefix::parse("2001:db8:2::/64").value()});
  const std::string before = listing(map);
  try {
    const std::vector<MapEdit> edits = parse_map_batch(text);
    for (const MapEdit& edit : edits) {
      check_edit(edit);
    }
    apply_edits(map, edits);
    check_map(map);
  } catch (const MappingError& error) {
    require(std::string_view(error.what()).starts_with("line "));
    require(std::string_view(error.what()).find_first_of("\n\r") == std::string_view::npos);
    require(listing(map) == before);
  }
  return 0;
}
