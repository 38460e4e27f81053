#pragma once

#include "accel/nat_object.hh"
#include "accel/nat_table.hh"
#include "accel/prefix_entries.hh"

#include <cstddef>
#include <cstdint>
#include <map>

namespace slirpstack {

/// Keeps the map `prefixes` as the guests' prefix maps are. All mappings of a guest are in it, or
/// none: with only some of them an address could get another one than in the user-mode stack.
class PrefixMirror
{
public:
  /// Removes what a predecessor has left. `object` must outlive this.
  explicit PrefixMirror(const NatObject& object);

  /// The guest's mappings are these from now on. False: they find no room; the guest has none here,
  /// and a line in the log says so once. A mapping whose external prefix changes is replaced in one
  /// step, unless that takes room which is not there while both are.
  bool set(std::uint8_t zone, const PrefixMap& map);
  /// The guest has none any more.
  void clear(std::uint8_t zone);

  /// Of all guests.
  [[nodiscard]] std::size_t size() const;

private:
  using Mappings = std::map<Prefix, PrefixMapping>;

  void put(std::uint8_t zone, const Mappings& wanted);
  void remove_others(std::uint8_t zone, const Mappings& wanted);
  void claim(const Prefix& external);
  void release(const Prefix& external);

  NatTable<nat_prefix_key, nat_prefix> prefixes_;
  std::map<std::uint8_t, Mappings> applied_;
  std::map<Prefix, std::size_t> external_; ///< how many mappings have it
  bool complained_ = false;
};

} // namespace slirpstack
