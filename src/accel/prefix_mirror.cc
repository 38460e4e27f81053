#include "accel/prefix_mirror.hh"

#include "base/log.hh"

#include <system_error>
#include <utility>

namespace slirpstack {

PrefixMirror::PrefixMirror(const NatObject& object) : prefixes_(object.map("prefixes"))
{
  prefixes_.clear();
}

bool PrefixMirror::set(std::uint8_t zone, const PrefixMap& map)
{
  const Mappings wanted = effective_mappings(map);
  try {
    put(zone, wanted);
    remove_others(zone, wanted);
    return true;
  } catch (const std::system_error&) {
    clear(zone); // the map may be full of what goes
  }
  try {
    put(zone, wanted);
    return true;
  } catch (const std::system_error& error) {
    clear(zone);
    if (!std::exchange(complained_, true)) {
      log(LogLevel::warning,
          "the accelerator has no room for a guest's prefix mappings: the user-mode stack carries "
          "them all",
          {{"mappings", map.size()}, {"reason", error.what()}});
    }
    return false;
  }
}

void PrefixMirror::put(std::uint8_t zone, const Mappings& wanted)
{
  Mappings& applied = applied_[zone];
  for (const auto& [internal, mapping] : wanted) {
    const auto old = applied.find(internal);
    if (old != applied.end() && old->second == mapping) {
      continue;
    }
    claim(mapping.external);
    try {
      prefixes_.put(prefix_key(zone, internal), outbound_prefix(mapping));
    } catch (const std::system_error&) {
      release(mapping.external);
      throw;
    }
    if (old != applied.end()) {
      release(std::exchange(old->second, mapping).external);
    } else {
      applied.emplace(internal, mapping);
    }
  }
}

void PrefixMirror::remove_others(std::uint8_t zone, const Mappings& wanted)
{
  std::erase_if(applied_[zone], [&](const auto& entry) {
    if (wanted.contains(entry.first)) {
      return false;
    }
    prefixes_.erase(prefix_key(zone, entry.first));
    release(entry.second.external);
    return true;
  });
}

void PrefixMirror::clear(std::uint8_t zone)
{
  remove_others(zone, {});
  applied_.erase(zone);
}

void PrefixMirror::claim(const Prefix& external)
{
  if (external_[external]++ != 0) {
    return;
  }
  try {
    prefixes_.put(prefix_key(NAT_PREFIX_EXTERNAL, external), inbound_prefix());
  } catch (const std::system_error&) {
    external_.erase(external);
    throw;
  }
}

void PrefixMirror::release(const Prefix& external)
{
  if (--external_[external] == 0) {
    prefixes_.erase(prefix_key(NAT_PREFIX_EXTERNAL, external));
    external_.erase(external);
  }
}

std::size_t PrefixMirror::size() const
{
  std::size_t count = 0;
  for (const auto& [zone, mappings] : applied_) {
    count += mappings.size();
  }
  return count;
}

} // namespace slirpstack
