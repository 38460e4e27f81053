#pragma once

#include "flow/flow_table.hh"

#include <array>
#include <cstdint>

namespace slirpstack {

/// What all flows together have done since the start.
class FlowStatistics final : public FlowObserver
{
public:
  enum class Kind : std::uint8_t
  {
    tcp,
    udp,
    icmp, ///< of either version
    kinds_,
  };
  struct Counters
  {
    std::uint64_t opened = 0;
    std::uint64_t closed = 0;
    std::uint64_t failed = 0;
    FlowTraffic traffic;
  };
  using All = std::array<Counters, static_cast<std::size_t>(Kind::kinds_)>;

  void on_opened(const Relay& relay) override;
  void on_closed(const Relay& relay) override;
  void on_failed(const Relay& relay, std::string_view reason) override;

  /// Counters by kind, with what the flows that live now have carried so far.
  [[nodiscard]] All now(const FlowTable& flows) const;

  /// `tcp`, `udp`, `icmp`.
  [[nodiscard]] static std::string_view kind_name(Kind kind);

private:
  All ended_{};
};

} // namespace slirpstack
