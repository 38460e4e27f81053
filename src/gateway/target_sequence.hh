#pragma once

#include "flow/flow_key.hh"
#include "flow/name_resolver.hh"
#include "flow/target.hh"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace slirpstack {

/// Where on the host a flow of the guest may go, one target after the other. Names are looked up
/// when they come up; each of a name's addresses is a target then.
class TargetSequence
{
public:
  /// `flow`, for the log, and `names` must outlive this.
  TargetSequence(const FlowKey& flow, NameResolver& names, std::deque<Target> targets);

  /// How many have not been taken; a name counts as one.
  [[nodiscard]] std::size_t left() const { return targets_.size(); }
  /// Takes the next one. Nothing: there is none left; or it is a name that is being looked up, then
  /// `on_known` is called once, from the event loop, when to ask again.
  [[nodiscard]] std::optional<StreamAddress> next(std::function<void()> on_known);
  [[nodiscard]] bool is_looking_up() const { return lookup_ != nullptr; }
  /// Gives up the name that is being looked up; `on_known` is not called.
  void skip() { lookup_.reset(); }
  /// Why the last name that was taken has no address; empty if it has, or if there was none.
  [[nodiscard]] const std::string& lookup_error() const { return lookup_error_; }

private:
  void on_looked_up(std::uint16_t port, const LookupAnswer& answer);

  const FlowKey& flow_;
  NameResolver& names_;
  std::deque<Target> targets_;
  std::unique_ptr<PendingLookup> lookup_;
  std::string lookup_error_;
};

} // namespace slirpstack
