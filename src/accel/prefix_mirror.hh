#pragma once

#include "accel/nat_object.hh"
#include "accel/nat_table.hh"
#include "accel/prefix_entries.hh"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>

namespace slirpstack {

/// Keeps the map `prefixes` as the guests' prefix maps are. All mappings of a guest are in it, or
/// none: with only some of them an address could get another one than in the user-mode stack.
class PrefixMirror
{
public:
  /// Whom the mappings lead to.
  struct Guest
  {
    GuestPlace place;
    std::uint32_t mtu_bytes = 1500; ///< of what it takes
  };

  /// Removes what a predecessor has left. `object` must outlive this; `on_opened` runs when a
  /// prefix is opened.
  explicit PrefixMirror(const NatObject& object, std::function<void()> on_opened = {});

  /// The guest's mappings are these from now on. False: they find no room; the guest has none here,
  /// and a line in the log says so once. A mapping whose external prefix changes is replaced in one
  /// step, unless that takes room which is not there while both are. An external prefix is open for
  /// one guest: another's mapping of the same is as if it were not open, and the log says so.
  bool set(const Guest& guest, const PrefixMap& map);
  /// The guest has none any more.
  void clear(std::uint8_t zone);

  /// Of all guests.
  [[nodiscard]] std::size_t size() const;
  /// How many prefixes are open.
  [[nodiscard]] std::size_t open() const;

private:
  using Mappings = std::map<Prefix, PrefixMapping>;

  /// Who has an external prefix.
  struct Claims
  {
    std::size_t count = 0;
    std::optional<std::uint8_t> opener; ///< the zone for which it is open
    PrefixMapping opened;               ///< by this mapping
  };

  void put(const Guest& guest, const Mappings& wanted);
  void put_one(const Guest& guest, const PrefixMapping& mapping);
  void remove_others(std::uint8_t zone, const Mappings& wanted);
  /// Returns the mapping as it can be: not open where another guest's is.
  [[nodiscard]] PrefixMapping claim(const Guest& guest, PrefixMapping mapping);
  void release(std::uint8_t zone, const PrefixMapping& mapping);

  NatTable<nat_prefix_key, nat_prefix> prefixes_;
  NatTable<nat_station_key, nat_station> stations_;
  std::function<void()> on_opened_;
  std::map<std::uint8_t, Mappings> applied_;
  std::map<Prefix, Claims> external_;
  bool complained_ = false;
};

} // namespace slirpstack
