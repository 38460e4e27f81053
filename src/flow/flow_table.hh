#pragma once

#include "base/clock.hh"
#include "flow/flow_key.hh"

#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

namespace slirpstack {

class Relay;

/// Relays ordered by the time at which they want to be asked again.
using Deadlines = std::multimap<TimePoint, Relay*>;

/// The live half of a flow: what carries its bytes. Implemented in `gateway`, owned by the flow
/// table. Destroying a relay closes both ends.
class Relay
{
public:
  explicit Relay(const FlowKey& key) : key_(key) {}
  virtual ~Relay() = default;
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  Relay(Relay&&) = delete;
  Relay& operator=(Relay&&) = delete;

  [[nodiscard]] const FlowKey& key() const { return key_; }
  /// When to ask next. It may move later without a word; to move it earlier, reschedule.
  [[nodiscard]] virtual TimePoint deadline() const = 0;
  /// The deadline has passed. The relay may finish itself; else it is asked for a new deadline.
  virtual void on_deadline(TimePoint now) = 0;

  /// Whether the flow may be ended to make room for a new one: it carries nothing any more.
  [[nodiscard]] virtual bool expendable() const { return false; }
  /// Whether bytes of the guest are still on their way to the host: some wait here, or the guest
  /// has sent since `quiet_since` and not yet finished.
  [[nodiscard]] virtual bool delivering(TimePoint quiet_since) const
  {
    static_cast<void>(quiet_since);
    return false;
  }

private:
  friend class FlowTable;
  FlowKey key_;
  Deadlines::iterator scheduled_;
  bool is_scheduled_ = false;
  bool finished_ = false;
};

/// All flows of the process, by key. A finished relay leaves the table at once, so that its key
/// can be used again, but is destroyed only by `bury()`: nothing that is on a work list or on the
/// call stack dies under its user.
class FlowTable
{
public:
  FlowTable(const HashSecret& secret, std::size_t capacity);

  /// Whether one more flow may be inserted.
  [[nodiscard]] bool full() const { return flows_.size() >= capacity_; }
  /// Finishes an expendable flow, one of those that would end soonest. False: there is none.
  bool make_room();
  /// The relay's key must not be in the table.
  Relay& insert(std::unique_ptr<Relay> relay);
  [[nodiscard]] Relay* find(const FlowKey& key) const;

  /// Asks the relay for its deadline anew; needed when it has become earlier.
  void reschedule(Relay& relay);
  /// Takes the relay out of the table; it dies at the next `bury()`.
  void finish(Relay& relay);
  [[nodiscard]] static bool finished(const Relay& relay) { return relay.finished_; }
  /// Destroys what has finished.
  void bury();

  [[nodiscard]] TimePoint next_deadline() const;
  /// Calls `on_deadline` where it has passed.
  void expire(TimePoint now);

  [[nodiscard]] std::size_t size() const { return flows_.size(); }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] bool any_delivering(TimePoint quiet_since) const;
  /// Finishes every flow.
  void finish_all();

private:
  void unschedule(Relay& relay);

  std::unordered_map<FlowKey, std::unique_ptr<Relay>, FlowKeyHash> flows_;
  std::vector<std::unique_ptr<Relay>> finished_;
  Deadlines deadlines_;
  std::size_t capacity_;
};

} // namespace slirpstack
