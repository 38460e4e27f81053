#pragma once

#include "base/clock.hh"
#include "flow/flow_key.hh"
#include "flow/flow_record.hh"
#include "flow/host_network.hh"

#include <functional>
#include <map>
#include <memory>
#include <optional>
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
  [[nodiscard]] const FlowRecord& record() const { return record_; }
  [[nodiscard]] FlowRecord& record() { return record_; }
  /// The host's own end and the one that it talks to, as far as they are known.
  [[nodiscard]] virtual std::optional<Endpoint> host_local() const { return std::nullopt; }
  [[nodiscard]] virtual std::optional<StreamAddress> host_remote() const { return std::nullopt; }
  /// When to ask next. It may move later without a word; to move it earlier, reschedule.
  [[nodiscard]] virtual TimePoint deadline() const = 0;
  /// The deadline has passed. The relay may finish itself; else it is asked for a new deadline.
  virtual void on_deadline(TimePoint now) = 0;

  /// The guest says, by an ICMP error, that what we sent it on this flow cannot arrive.
  virtual void on_guest_unreachable() {}

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
  FlowRecord record_;
  Deadlines::iterator scheduled_;
  bool is_scheduled_ = false;
  bool finished_ = false;
};

/// Is told of flows: for the log, the metrics, an accelerator. It must not change the table.
class FlowObserver
{
public:
  virtual ~FlowObserver() = default;
  /// Both ends are there. Exactly one `on_closed` follows.
  virtual void on_opened(const Relay& relay) = 0;
  virtual void on_closed(const Relay& relay) = 0;
  /// The flow could not be opened.
  virtual void on_failed(const Relay& relay, std::string_view reason) = 0;
};

/// All flows of the process, by key. A finished relay leaves the table at once, so that its key
/// can be used again, but is destroyed only by `bury()`: nothing that is on a work list or on the
/// call stack dies under its user. Till then its socket may have events, and its key may be
/// another's already: what is finished must do nothing more (`finished()`).
class FlowTable
{
public:
  FlowTable(const HashSecret& secret, std::size_t capacity);

  /// Whether one more flow may be inserted.
  [[nodiscard]] bool full() const { return flows_.size() >= capacity_; }
  /// Finishes an expendable flow, one of those that would end soonest. False: there is none.
  bool make_room();
  /// A flow that has the relay's key is finished.
  Relay& insert(std::unique_ptr<Relay> relay);
  /// The next stage of a flow takes the place of the one before it, which is finished, and its
  /// record. Both have the same key. `stage` must not have finished.
  Relay& replace(Relay& stage, std::unique_ptr<Relay> next);
  [[nodiscard]] Relay* find(const FlowKey& key) const;

  /// The relay's flow is open, and observers may know.
  void announce(Relay& relay);
  /// It is given up before it was open: observers are told why. It still has to be finished.
  void announce_failure(const Relay& relay, std::string_view reason);
  /// `observer` must outlive the table's flows.
  void add_observer(FlowObserver& observer) { observers_.push_back(&observer); }

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
  /// How many flows a forward has, by the number in their records, which stays while they live.
  [[nodiscard]] std::size_t flows_of_forward(std::uint32_t forward) const;
  [[nodiscard]] bool any_delivering(TimePoint quiet_since) const;
  /// Finishes every flow.
  void finish_all();
  /// Finishes those of which `ends` is true; returns how many.
  std::size_t finish_if(const std::function<bool(Relay&)>& ends);
  /// In no particular order.
  [[nodiscard]] std::vector<FlowKey> keys() const;
  /// In no particular order; `visit` must not change the table.
  void for_each(const std::function<void(const Relay&)>& visit) const;

private:
  void unschedule(Relay& relay);
  void count_forward(const Relay& relay, bool comes);

  std::unordered_map<FlowKey, std::unique_ptr<Relay>, FlowKeyHash> flows_;
  std::vector<std::unique_ptr<Relay>> finished_;
  Deadlines deadlines_;
  std::vector<FlowObserver*> observers_;
  std::unordered_map<std::uint32_t, std::size_t> of_forwards_; ///< flows, by the forward's number
  std::size_t capacity_;
};

} // namespace slirpstack
