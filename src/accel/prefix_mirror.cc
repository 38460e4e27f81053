#include "accel/prefix_mirror.hh"

#include "base/log.hh"

#include <algorithm>
#include <system_error>
#include <utility>
#include <vector>

namespace slirpstack {

PrefixMirror::PrefixMirror(const NatObject& object, std::function<void()> on_opened)
  : prefixes_(object.map("prefixes"))
  , stations_(object.map("stations"))
  , on_opened_(std::move(on_opened))
{
  prefixes_.clear();
  stations_.clear();
}

bool PrefixMirror::set(const Guest& guest, const PrefixMap& map)
{
  const Mappings wanted = effective_mappings(map);
  const std::uint8_t zone = guest.place.zone;
  try {
    put(guest, wanted);
    remove_others(zone, wanted);
    return true;
  } catch (const std::system_error&) {
    clear(zone); // the map may be full of what goes
  }
  try {
    put(guest, wanted);
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

void PrefixMirror::put(const Guest& guest, const Mappings& wanted)
{
  const Mappings& applied = applied_[guest.place.zone];
  for (const auto& [internal, mapping] : wanted) {
    const auto old = applied.find(internal);
    if (old == applied.end() || old->second != mapping) {
      put_one(guest, mapping);
    }
  }
}

void PrefixMirror::put_one(const Guest& guest, const PrefixMapping& mapping)
{
  const std::uint8_t zone = guest.place.zone;
  const PrefixMapping possible = claim(guest, mapping);
  try {
    prefixes_.put(prefix_key(zone, mapping.internal), outbound_prefix(possible, guest.place));
  } catch (const std::system_error&) {
    release(zone, mapping);
    throw;
  }
  Mappings& applied = applied_[zone];
  const auto old = applied.find(mapping.internal);
  if (old != applied.end()) {
    release(zone, std::exchange(old->second, mapping));
  } else {
    applied.emplace(mapping.internal, mapping);
  }
}

void PrefixMirror::remove_others(std::uint8_t zone, const Mappings& wanted)
{
  std::erase_if(applied_[zone], [&](const auto& entry) {
    if (wanted.contains(entry.first)) {
      return false;
    }
    prefixes_.erase(prefix_key(zone, entry.first));
    release(zone, entry.second);
    return true;
  });
}

void PrefixMirror::clear(std::uint8_t zone)
{
  remove_others(zone, {});
  applied_.erase(zone);
  std::vector<nat_station_key> gone; // or the zone's next guest would be looked for there
  stations_.for_each([&](const nat_station_key& key, const nat_station&) {
    if (key.zone == zone) {
      gone.push_back(key);
    }
  });
  for (const nat_station_key& key : gone) {
    stations_.erase(key);
  }
}

PrefixMapping PrefixMirror::claim(const Guest& guest, PrefixMapping mapping)
{
  const std::uint8_t zone = guest.place.zone;
  const auto [claims, is_first] = external_.try_emplace(mapping.external);
  if (mapping.open && claims->second.opener.value_or(zone) != zone) {
    log(LogLevel::warning,
        "an external prefix is open for another guest already, and this one gets nothing of it",
        {{"mapping", mapping.to_string()}, {"interface", guest.place.ifindex}});
    mapping.open = false;
  }
  try {
    if (mapping.open) {
      prefixes_.put(prefix_key(NAT_PREFIX_EXTERNAL, mapping.external),
                    open_prefix(mapping, guest.place, guest.mtu_bytes));
      claims->second.opener = zone;
      claims->second.opened = mapping;
      if (on_opened_) {
        on_opened_();
      }
    } else if (is_first) {
      prefixes_.put(prefix_key(NAT_PREFIX_EXTERNAL, mapping.external), inbound_prefix());
    }
  } catch (const std::system_error&) {
    if (is_first) {
      external_.erase(claims);
    }
    throw;
  }
  ++claims->second.count;
  return mapping;
}

void PrefixMirror::release(std::uint8_t zone, const PrefixMapping& mapping)
{
  Claims& claims = external_[mapping.external];
  const nat_prefix_key key = prefix_key(NAT_PREFIX_EXTERNAL, mapping.external);
  if (--claims.count == 0) {
    prefixes_.erase(key);
    external_.erase(mapping.external);
  } else if (claims.opener == zone && claims.opened == mapping) {
    claims.opener.reset();
    prefixes_.erase(key); // which makes room for the other
    static_cast<void>(prefixes_.try_add(key, inbound_prefix()));
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

std::size_t PrefixMirror::open() const
{
  return static_cast<std::size_t>(std::ranges::count_if(
    external_, [](const auto& entry) { return entry.second.opener.has_value(); }));
}

} // namespace slirpstack
