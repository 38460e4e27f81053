#pragma once

#include "flow/prefix_mapping.hh"

#include <cstddef>
#include <vector>

namespace slirpstack {

/// Which mappings somebody may see and change. A container must not choose whom it answers for, so
/// it changes mappings only between its own internal prefixes and the external ones that it was
/// given.
class MapScope
{
public:
  /// What a scope with bounds has room for: one container does not fill the map of all.
  static constexpr std::size_t MAX_MAPPINGS = 1000;

  /// Everything.
  MapScope() = default;
  /// Without external prefixes it only sees. `may_open`: its mappings may be open ones.
  MapScope(std::vector<Prefix> internal, std::vector<Prefix> external, bool may_open = false);

  [[nodiscard]] bool is_bounded() const { return is_bounded_; }
  [[nodiscard]] bool is_read_only() const { return is_bounded_ && external_.empty(); }
  [[nodiscard]] bool may_open() const { return !is_bounded_ || may_open_; }
  [[nodiscard]] bool holds_internal(const Prefix& prefix) const;
  [[nodiscard]] bool holds_external(const Prefix& prefix) const;
  [[nodiscard]] bool sees(const PrefixMapping& mapping) const
  {
    return holds_internal(mapping.internal);
  }
  [[nodiscard]] bool changes(const PrefixMapping& mapping) const
  {
    return holds_internal(mapping.internal) && holds_external(mapping.external);
  }

private:
  bool is_bounded_ = false;
  bool may_open_ = false;
  std::vector<Prefix> internal_;
  std::vector<Prefix> external_;
};

} // namespace slirpstack
