#include "flow/map_scope.hh"

#include <algorithm>
#include <utility>

namespace slirpstack {

namespace {

bool holds(const std::vector<Prefix>& bounds, const Prefix& prefix)
{
  return std::ranges::any_of(bounds, [&](const Prefix& bound) {
    return bound.length_bits() <= prefix.length_bits() && bound.contains(prefix.address());
  });
}

} // namespace

MapScope::MapScope(std::vector<Prefix> internal, std::vector<Prefix> external, bool may_open)
  : is_bounded_(true)
  , may_open_(may_open)
  , internal_(std::move(internal))
  , external_(std::move(external))
{}

bool MapScope::holds_internal(const Prefix& prefix) const
{
  return !is_bounded_ || holds(internal_, prefix);
}

bool MapScope::holds_external(const Prefix& prefix) const
{
  return !is_bounded_ || holds(external_, prefix);
}

} // namespace slirpstack
