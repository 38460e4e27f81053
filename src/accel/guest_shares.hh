#pragma once

#include "flow/flow_key.hh"
#include "slirpstack/nat_map.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace slirpstack {

/// Whoever keeps the records of a guest's flows.
class GuestFlows
{
public:
  virtual ~GuestFlows() = default;
  /// The kernel carries the flow no longer. False: it was none of this guest's.
  virtual bool forget(const FlowKey& flow) = 0;
  /// Nor any other from that endpoint of the guest.
  virtual void forget_all(std::uint8_t protocol, const Endpoint& guest) = 0;
  /// How many there are.
  [[nodiscard]] virtual std::size_t flows() const = 0;
};

/// How much of the table of sessions each guest has: its flows, and the connections that it has
/// ended. Those are known for a while still, without a record (NAT_RELEASED): the oldest make room
/// for what the same guest begins next.
class GuestShares
{
public:
  /// `max_flows`: of all guests together; where `is_shared`, none may have more of them than it
  /// leaves (may_have_one_more()).
  struct Limits
  {
    std::size_t max_flows = SIZE_MAX;
    bool is_shared = false;
  };

  explicit GuestShares(const Limits& limits) : limits_(limits) {}

  /// `guest` must be taken out before it goes.
  void add(const GuestFlows& guest) { guests_.try_emplace(&guest); }
  void remove(const GuestFlows& guest);

  /// How many of its ended connections a guest has to give up to begin a flow; nothing: it has no
  /// room even then.
  [[nodiscard]] std::optional<std::size_t> excess(const GuestFlows& guest) const;

  /// The guest has ended that connection.
  void add_ended(const nat_session_key& session, const GuestFlows& guest);
  /// It is known no longer, or a flow again. None is no error.
  void remove_ended(const nat_session_key& session);
  /// Those of a guest's, the oldest first.
  [[nodiscard]] std::vector<nat_session_key> ended(const GuestFlows& guest) const;
  [[nodiscard]] std::optional<nat_session_key> oldest_ended(const GuestFlows& guest) const;

private:
  struct Place
  {
    const GuestFlows* guest = nullptr;
    std::uint64_t number = 0;
  };
  struct Order
  {
    bool operator()(const nat_session_key& one, const nat_session_key& other) const;
  };
  using ByAge = std::map<std::uint64_t, nat_session_key>;

  [[nodiscard]] bool may_have_one_more_of(std::size_t own, std::size_t all) const;

  Limits limits_;
  std::map<const GuestFlows*, ByAge> guests_; ///< with what each has ended
  std::map<nat_session_key, Place, Order> places_;
  std::uint64_t next_number_ = 0;
};

} // namespace slirpstack
