#pragma once

#include "base/clock.hh"
#include "flow/grant.hh"
#include "flow/rule.hh"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace slirpstack {

/// Why a flow goes where it goes.
enum class FlowOrigin : std::uint8_t
{
  outbound,       ///< the guest's, to its destination
  service,        ///< the guest's, to a service of ours (DNS)
  remote_forward, ///< the guest's, by `-R`
  local_forward,  ///< a host client's, by `-L`
};

[[nodiscard]] std::string_view origin_name(FlowOrigin origin);

/// Payload that a flow has carried.
struct FlowTraffic
{
  std::uint64_t to_host_bytes = 0;
  std::uint64_t to_guest_bytes = 0;
};

/// How one direction of one end of a stream ended: not yet, by its end, or by an error.
struct EndResult
{
  bool ended = false;
  std::error_code error; ///< none: end of stream

  /// `0`, `EOF`, or the error's text.
  [[nodiscard]] std::string to_string() const;
};

/// How a stream's flow ended. The initiator is who opened it, the target the other side.
struct FlowEnd
{
  enum Part : std::uint8_t
  {
    initiator_read,
    initiator_write,
    target_read,
    target_write,
    parts_,
  };
  std::array<EndResult, parts_> results;
  /// Which of them came first, once there is one.
  std::optional<Part> first;

  /// Notes a result; the first of a part counts.
  void note(Part part, std::error_code error = {});
};

/// What is known of a flow whatever carries it: who asked for it, under what it is allowed, what
/// it has moved. It goes with the flow from stage to stage (FlowTable::replace).
struct FlowRecord
{
  FlowRequest request;
  FlowOrigin origin = FlowOrigin::outbound;
  std::uint32_t forward = 0; ///< the forward's number, if one is behind it
  Grant grant;
  FlowTraffic traffic;
  FlowEnd end;
  bool announced = false; ///< its observers know it
};

} // namespace slirpstack
