#include "control/map_commands.hh"

#include "base/quoted.hh"
#include "control/json_line.hh"

#include <algorithm>
#include <fmt/format.h>
#include <type_traits>
#include <utility>

namespace slirpstack {

namespace {

// Of a long batch the first tell enough.
constexpr std::size_t MAX_HINTS = 4;

std::string refusal(const MappingError& error)
{
  return line_of({{"ok", false}, {"error", error.what()}, {"code", error.code_name()}});
}

Json describe(const PrefixMapping& mapping)
{
  return {{"interface", mapping.interface},
          {"internal", mapping.internal.to_string()},
          {"external", mapping.external.to_string()},
          {"neutral", mapping.neutral},
          {"open", mapping.open}};
}

MapEdit edit_of(const ChangeMapping& request)
{
  MapEdit edit{.kind = request.kind, .mapping = {}};
  if (edit.kind != MapEdit::Kind::drop || !request.interface.empty()) {
    edit.mapping.interface = parse_mapping_interface(request.interface);
  }
  if (edit.kind != MapEdit::Kind::drop) {
    edit.mapping.internal = parse_mapping_prefix(request.internal, MappingPart::internal);
  }
  if (edit.kind == MapEdit::Kind::add) {
    edit.mapping.external = parse_mapping_prefix(request.external, MappingPart::external);
    edit.mapping.neutral = request.neutral;
    edit.mapping.open = request.open;
  }
  return edit;
}

/// What `address` is on the other side, as a member of the answer.
void add_translation(Json& answer,
                     const char* name,
                     const Translation& translation,
                     const MapScope& scope)
{
  if (translation.mapping == nullptr || !scope.sees(*translation.mapping)) {
    return;
  }
  Json& member = answer[name];
  member["mapping"] = translation.mapping->to_string();
  if (translation.address) {
    member["address"] = translation.address->to_string();
  } else {
    member["reason"] = unmappable_reason(translation.unmappable);
  }
}

} // namespace

std::vector<Prefix> prefixes_without_local_route(std::span<const MapEdit> edits,
                                                 const HostNetworks& host)
{
  std::vector<Prefix> prefixes;
  for (const MapEdit& edit : edits) {
    const Prefix& external = edit.mapping.external;
    if (edit.kind == MapEdit::Kind::add && !edit.mapping.open && prefixes.size() < MAX_HINTS
        && host.find(external.address()) != HostNetworks::Kind::own_address) {
      prefixes.push_back(external);
    }
  }
  return prefixes;
}

MapCommands::MapCommands(PrefixMap& map, HostNetworksSource host_networks, MapScope scope)
  : map_(map), host_networks_(std::move(host_networks)), scope_(std::move(scope))
{}

std::string MapCommands::run(const ChangeMapping& request)
{
  try {
    const MapEdit edit = edit_of(request);
    return this->edit({&edit, 1});
  } catch (const MappingError& error) {
    return refusal(error);
  }
}

std::string MapCommands::run(const BatchMap& request)
{
  try {
    return edit(parse_map_batch(request.text));
  } catch (const MappingError& error) {
    return refusal(error);
  }
}

std::string MapCommands::edit(std::span<const MapEdit> edits)
{
  if (scope_.is_read_only()) {
    throw MappingError(std::errc::operation_not_permitted,
                       MappingPart::interface,
                       "this socket only shows mappings");
  }
  apply_edits(map_, edits, scope_);
  // What the host does not take is no mistake yet: the route may come later.
  Json waiting = Json::array();
  for (const Prefix& prefix : prefixes_without_local_route(edits, host_networks_())) {
    waiting.push_back(prefix.to_string());
  }
  Json answer{{"ok", true}};
  if (!waiting.empty()) {
    answer["without_local_route"] = std::move(waiting);
  }
  return line_of(answer);
}

std::string MapCommands::run(const ListMappings& request) const
{
  Json list = Json::array();
  map_.for_each([&](const PrefixMapping& mapping) {
    if (scope_.sees(mapping)
        && (request.interface.empty() || mapping.interface == request.interface)) {
      list.push_back(describe(mapping));
    }
  });
  return line_of({{"ok", true}, {"mappings", std::move(list)}});
}

std::string MapCommands::run(const ResolveAddress& request) const
{
  const auto address = IpAddress::parse(request.address);
  if (!address || !address->is_ipv6()) {
    return refusal({std::errc::invalid_argument,
                    MappingPart::internal,
                    fmt::format("{} is no IPv6 address", slirpstack::quoted(request.address))});
  }
  Json answer{{"ok", true}, {"address", address->to_string()}};
  add_translation(answer, "external", map_.to_external(*address), scope_);
  add_translation(answer, "internal", map_.to_internal(*address), scope_);
  if (answer.size() == 2) {
    return refusal({std::errc::no_such_file_or_directory,
                    MappingPart::internal,
                    fmt::format("{} is in no mapping", address->to_string())});
  }
  return line_of(answer);
}

void RestrictedCommands::execute(const Request& request, Reply reply)
{
  reply(std::visit(
    [this](const auto& asked) -> std::string {
      if constexpr (requires { maps_.run(asked); }) {
        return maps_.run(asked);
      } else {
        return error_reply("this socket is for the prefix map alone (map list, map add, …)");
      }
    },
    request));
}

} // namespace slirpstack
