#include "control/forward_planner.hh"

#include "base/error.hh"

#include <algorithm>
#include <utility>

namespace slirpstack {

/// One forward, whose names are looked up one after the other.
class ForwardPlanner::Job
{
public:
  Job(ForwardPlanner& planner, const ForwardSpec& spec, Done done)
    : planner_(planner)
    , spec_(with_defaults(spec, planner.defaults_))
    , names_(names_to_resolve(spec_))
    , done_(std::move(done))
  {}

  /// This may be gone when it returns.
  void look_up_next()
  {
    if (resolved_.size() == names_.size()) {
      end(planned());
      return;
    }
    lookup_ = planner_.names_.look_up(names_[resolved_.size()],
                                      [this](const LookupAnswer& answer) { on_answer(answer); });
  }

private:
  void on_answer(const LookupAnswer& answer)
  {
    if (answer.addresses.empty()) {
      end(answer.error);
      return;
    }
    resolved_.push_back({answer.addresses.front(), answer.port});
    look_up_next();
  }

  [[nodiscard]] Outcome planned() const
  {
    try {
      return plan_forward(spec_, resolved_);
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
  }

  void end(Outcome&& outcome)
  {
    const Done done = std::move(done_);
    std::erase_if(planner_.jobs_, [this](const auto& job) { return job.get() == this; });
    done(std::move(outcome));
  }

  ForwardPlanner& planner_;
  ForwardSpec spec_;
  std::vector<HostName> names_;
  std::vector<ResolvedName> resolved_;
  std::unique_ptr<PendingLookup> lookup_;
  Done done_;
};

ForwardPlanner::ForwardPlanner(NameResolver& names, const ForwardDefaults& defaults)
  : names_(names), defaults_(defaults)
{}

ForwardPlanner::~ForwardPlanner() = default;

void ForwardPlanner::plan(const ForwardSpec& spec, Done done)
{
  jobs_.push_back(std::make_unique<Job>(*this, spec, std::move(done)));
  jobs_.back()->look_up_next();
}

} // namespace slirpstack
