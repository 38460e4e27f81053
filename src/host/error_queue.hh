#pragma once

#include "flow/host_network.hh"

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace slirpstack {

/// An entry of a socket's error queue: what became of something sent earlier.
struct QueuedError
{
  HostError error;
  /// This host itself refused the datagram; the call that sent it failed at the same time.
  bool local = false;
  Endpoint to;
  ByteView payload; ///< in the caller's buffer
};

/// What an ICMP message may quote of our datagram: RFC 4443 allows the most, 1280 bytes in all.
using ErrorPayload = std::array<std::uint8_t, 1536>;

/// Takes the next entry out of the kernel's queue; nothing when it is empty.
std::optional<QueuedError> take_queued_error(int descriptor, MutableBytes payload);

/// The error queue of a datagram socket, with those entries that came up at a time when they could
/// not be delivered.
class ErrorQueue
{
public:
  /// The next error that a network reported; entries for what this host refused are dropped.
  std::optional<QueuedError> next(int descriptor, ErrorPayload& payload);
  /// Right after a send failed with EMSGSIZE: the MTU that the datagram exceeded, 0 if unknown.
  /// Other entries in the way are kept for `next`.
  std::uint32_t take_local_mtu(int descriptor);
  [[nodiscard]] bool has_kept() const { return !kept_.empty(); }

private:
  struct Kept
  {
    QueuedError error;
    std::vector<std::uint8_t> payload;
  };

  std::deque<Kept> kept_;
};

/// The HostError of a failed send: with the path's MTU when it was EMSGSIZE.
[[nodiscard]] HostError send_error(std::error_code code,
                                   int descriptor,
                                   Family family,
                                   ErrorQueue& queue);

} // namespace slirpstack
