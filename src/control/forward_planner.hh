#pragma once

#include "flow/forward.hh"
#include "flow/name_resolver.hh"

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <variant>

namespace slirpstack {

/// Turns forwards as they were typed into plans: fills their gaps and looks up their names.
class ForwardPlanner
{
public:
  /// The plan, or what is wrong.
  using Outcome = std::variant<ForwardPlan, std::string>;
  using Done = std::function<void(Outcome&&)>;

  /// `names` must outlive this.
  ForwardPlanner(NameResolver& names, const ForwardDefaults& defaults);
  ~ForwardPlanner();
  ForwardPlanner(const ForwardPlanner&) = delete;
  ForwardPlanner& operator=(const ForwardPlanner&) = delete;
  ForwardPlanner(ForwardPlanner&&) = delete;
  ForwardPlanner& operator=(ForwardPlanner&&) = delete;

  /// `done` runs once, before this returns if there is no name to be looked up; never, if this
  /// object goes first.
  void plan(const ForwardSpec& spec, Done done);

private:
  class Job;

  NameResolver& names_;
  ForwardDefaults defaults_;
  std::list<std::unique_ptr<Job>> jobs_;
};

} // namespace slirpstack
