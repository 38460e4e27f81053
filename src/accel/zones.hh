#pragma once

#include <map>
#include <optional>
#include <set>

namespace slirpstack {

/// Numbers that tell guests apart whose addresses are the same: 0 to 255, one for each interface. A
/// guest whose interface was there under a predecessor keeps the number under which its bindings
/// are.
class Zones
{
public:
  static constexpr unsigned COUNT = 256;

  /// `former`: the predecessor's zones, by interface.
  explicit Zones(std::map<unsigned, unsigned> former = {}) : former_(std::move(former)) {}

  /// Nothing: all are taken.
  [[nodiscard]] std::optional<unsigned> take(unsigned interface)
  {
    if (const auto known = former_.find(interface);
        known != former_.end() && taken_.insert(known->second).second) {
      return known->second;
    }
    for (unsigned zone = 0; zone < COUNT; ++zone) {
      if (!is_reserved(zone) && taken_.insert(zone).second) {
        return zone;
      }
    }
    return std::nullopt;
  }
  void give_back(unsigned zone) { taken_.erase(zone); }
  /// Zones of a predecessor's guests who have not come back are free from now on.
  void forget_former() { former_.clear(); }
  [[nodiscard]] const std::set<unsigned>& taken() const { return taken_; }

private:
  [[nodiscard]] bool is_reserved(unsigned zone) const
  {
    for (const auto& [interface, former] : former_) {
      if (former == zone) {
        return true;
      }
    }
    return false;
  }

  std::map<unsigned, unsigned> former_;
  std::set<unsigned> taken_;
};

} // namespace slirpstack
