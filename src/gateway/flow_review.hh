#pragma once

#include "flow/flow_table.hh"
#include "gateway/admission.hh"
#include "gateway/flow_handover.hh"

#include <functional>
#include <vector>

namespace slirpstack {

/// Asks of each flow, after what policy says has changed, whether it may still be, and ends those
/// that may not. Many flows under many rules would hold up all of them for seconds, so a turn of
/// the loop has only its part; those that an offload carries are judged at the beginning, and at
/// once. Flows that are opened meanwhile are judged by what holds then.
class FlowReview
{
public:
  /// Gets how many flows were ended.
  using Done = std::function<void(std::size_t)>;

  /// All must outlive this.
  FlowReview(FlowTable& flows, FlowHandover& handover, Admission& admission, const Policy& policy)
    : flows_(flows), handover_(handover), admission_(admission), policy_(policy)
  {}

  /// Begins, or, while a review is under way, has another one follow it. `done`, which may be null,
  /// is called once: before this returns if there is no flow, else from `work()`.
  void start(Done done);
  /// A turn's part. True: there is more to do.
  bool work();

private:
  struct Waiting
  {
    Done done;
    std::size_t ended_before; ///< when it came
  };

  [[nodiscard]] std::size_t flows_in_a_turn() const;
  void judge(const FlowKey& key);
  void begin_round();
  void end_round();

  FlowTable& flows_;
  FlowHandover& handover_;
  Admission& admission_;
  const Policy& policy_;
  std::vector<FlowKey> left_;
  std::vector<Waiting> waiting_; ///< for the end of this round
  std::vector<Waiting> next_;    ///< for that of the next one
  std::size_t ended_ = 0;        ///< since ever
};

} // namespace slirpstack
