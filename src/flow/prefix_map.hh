#pragma once

#include "flow/prefix_index.hh"
#include "flow/prefix_mapping.hh"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace slirpstack {

/// What an address is on the other side of the map.
struct Translation
{
  /// None: the address lies in no mapping.
  const PrefixMapping* mapping = nullptr;
  /// None although there is a mapping: `unmappable` says why.
  std::optional<IpAddress> address;
  Unmappable unmappable = Unmappable::subnet;
};

/// The prefix mappings of one namespace. On each interface an internal and an external prefix
/// occurs once; the longest prefix that holds an address decides. It translates both ways without
/// any state.
class PrefixMap
{
public:
  static constexpr std::size_t MAX_MAPPINGS = 10'000;

  explicit PrefixMap(const HashSecret& secret);

  /// There is who carries open mappings: before, none is added.
  void allow_open() { allows_open_ = true; }
  [[nodiscard]] bool allows_open() const { return allows_open_; }

  /// Throws MappingError: EINVAL for prefixes that do not go together, EOPNOTSUPP for an open
  /// mapping that nobody carries, EEXIST where the interface has one of the prefixes already,
  /// ENOSPC when there are MAX_MAPPINGS.
  void add(PrefixMapping mapping);
  /// Returns what has gone. Throws MappingError: ENOENT.
  PrefixMapping remove(std::string_view interface, const Prefix& internal);

  /// `on_edited` runs after each edit (apply_edits), of one or of many changes.
  void set_observer(std::function<void()> on_edited) { on_edited_ = std::move(on_edited); }
  /// An edit is complete.
  void edited() const
  {
    if (on_edited_) {
      on_edited_();
    }
  }

  /// Grows with each change.
  [[nodiscard]] std::uint64_t changes() const { return changes_; }
  [[nodiscard]] std::size_t size() const { return mappings_.size(); }
  [[nodiscard]] bool empty() const { return mappings_.empty(); }
  [[nodiscard]] const PrefixMapping* find(std::string_view interface, const Prefix& internal) const
  {
    return by_internal_.find(internal, interface);
  }
  /// The outside form of an address of the guest's world, whatever the interface; of several
  /// interfaces the first by name counts. IPv4, multicast and link-local addresses are in no
  /// mapping.
  [[nodiscard]] Translation to_external(const IpAddress& internal) const;
  [[nodiscard]] Translation to_internal(const IpAddress& external) const;

  /// By interface, then by internal prefix.
  template<typename Visit>
  void for_each(Visit visit) const
  {
    for (const auto& [key, mapping] : mappings_) {
      visit(mapping);
    }
  }

private:
  std::map<std::pair<std::string, Prefix>, PrefixMapping> mappings_;
  std::uint64_t changes_ = 0;
  bool allows_open_ = false;
  PrefixIndex by_internal_;
  PrefixIndex by_external_;
  std::function<void()> on_edited_;
};

} // namespace slirpstack
