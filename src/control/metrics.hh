#pragma once

#include "control/accelerator_view.hh"
#include "flow/flow_statistics.hh"
#include "wire/drop.hh"

#include <cstdint>
#include <optional>
#include <string>

namespace slirpstack {

/// A moment's figures, as the metrics show them.
struct MetricsSnapshot
{
  FlowStatistics::All flows;
  DropCounters drops;
  std::uint64_t refused_for_limit = 0;
  std::uint64_t max_flows = 0;
  std::uint64_t memory_bytes = 0;
  std::uint64_t max_memory_bytes = 0;
  std::uint64_t forwards = 0;
  std::uint64_t rules = 0;
  std::optional<AcceleratorStatus> accelerator;
  std::uint64_t flows_handed_over = 0; ///< to the accelerator, of this guest
};

/// The content type of `openmetrics_text`.
inline constexpr const char* OPENMETRICS_TYPE
  = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The figures in the text format of OpenMetrics 1.0 (which Prometheus reads), with its end mark.
[[nodiscard]] std::string openmetrics_text(const MetricsSnapshot& snapshot);

} // namespace slirpstack
