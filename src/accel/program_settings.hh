#pragma once

#include "accel/nat_object.hh"
#include "accel/nat_plan.hh"
#include "accel/nat_table.hh"

#include <cstdint>

namespace slirpstack {

/// The map `settings`: the plan, as the programs read it for each packet. The generation in it is
/// BindingWriter's to raise.
class ProgramSettings
{
public:
  /// `max_visitors`: sessions that remotes may have made at a time; `recent_ticks`: how long a flow
  /// is remembered.
  ProgramSettings(const NatObject& object, std::uint32_t max_visitors, std::uint32_t recent_ticks);

  /// What is there now; a predecessor's before begin(), where maps are pinned.
  [[nodiscard]] std::uint32_t generation() const { return now().generation; }
  /// Puts the plan into effect. Throws std::system_error, as those below do.
  void begin(const NatPlan& plan, std::uint32_t generation);
  /// Puts another plan into effect; all else stays.
  void change(const NatPlan& plan);
  /// From now on the programs stop without a Heartbeat.
  void expect_heartbeat() { add(NAT_HEARTBEAT); }
  /// From now on somebody holds early fragments.
  void hold_fragments() { add(NAT_HOLDS_FRAGMENTS); }

private:
  [[nodiscard]] nat_settings now() const { return table_.find(0).value_or(nat_settings{}); }
  void add(std::uint32_t flag);
  void put(const NatPlan& plan, std::uint32_t generation, std::uint32_t further_flags);

  NatTable<std::uint32_t, nat_settings> table_;
  std::uint32_t recent_sets_;
  std::uint32_t secret_;
  std::uint32_t recent_ticks_;
  std::uint32_t max_visitors_;
};

} // namespace slirpstack
