#pragma once

#include "flow/event_time.hh"
#include "flow/name_resolver.hh"
#include "flow/rule_set.hh"
#include "gateway/gateway.hh"

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace slirpstack {

/// Keeps a gateway's rules as its rules file says, and the names in them as the name service says.
/// A file is put into effect as a whole, once its names are known; one with a mistake changes
/// nothing.
class RuleLoader
{
public:
  /// What is wrong with the file, or nothing and how many flows were ended.
  struct Outcome
  {
    std::optional<std::string> error; ///< `rules.txt:3:7: …`
    std::size_t rules = 0;
    std::size_t flows_ended = 0;
  };
  using Done = std::function<void(const Outcome&)>;

  /// All references must outlive this. `path` is empty where there is no file, only names.
  RuleLoader(std::string path, Gateway& gateway, NameResolver& names, const EventTime& time);
  ~RuleLoader();
  RuleLoader(const RuleLoader&) = delete;
  RuleLoader& operator=(const RuleLoader&) = delete;
  RuleLoader(RuleLoader&&) = delete;
  RuleLoader& operator=(RuleLoader&&) = delete;

  /// Reads the file. `done` runs once, perhaps before this returns. A load that is under way, its
  /// names being looked up, comes to its end first; then the file is read once for all who have
  /// asked meanwhile. So each hears of a reading that began after he had asked, and however often
  /// reloads come, none keeps another from its end.
  ///
  /// A name without an answer keeps the addresses that it had. One that had none and stands in a
  /// rule that does not allow is an error: the rule would be open until there is an answer. A name
  /// that does not exist is none: nobody can be there.
  void load(Done done);
  [[nodiscard]] const std::string& path() const { return path_; }

  /// When a name is to be looked up again.
  [[nodiscard]] TimePoint next_deadline() const;
  void on_deadline();

private:
  struct Load;
  struct Name
  {
    std::unique_ptr<PendingLookup> lookup;
    TimePoint next_lookup = NEVER;    ///< kept in `due_` too
    std::vector<IpAddress> addresses; ///< the last that were told
  };

  /// Loads for those who wait, unless a load is under way.
  void load_next();
  void begin();
  void on_first_answer(const HostName& name, const LookupAnswer& answer);
  void on_names_known();
  void end(const Outcome& outcome);
  /// Why the load cannot be put into effect; empty: it can.
  [[nodiscard]] std::string open_rule(const Load& load) const;
  /// Whether a name in effect had addresses when it was last looked up.
  [[nodiscard]] bool has_addresses(const HostName& name) const;
  void put_into_effect(Load& load, FlowReview::Done done);
  void look_up_at(TimePoint when, const HostName& host, Name& name);
  void on_refreshed(const HostName& name, const LookupAnswer& answer);

  std::string path_;
  Gateway& gateway_;
  NameResolver& names_;
  const EventTime& time_;
  std::unique_ptr<Load> load_;        ///< the one under way
  std::vector<Done> asked_;           ///< those who wait for the next
  std::map<HostName, Name> followed_; ///< the names in effect
  std::set<std::pair<TimePoint, HostName>> due_;
};

/// Why rules with that name in them are not put into effect.
[[nodiscard]] std::string open_rule_text(const HostName& name, const LookupAnswer& answer);

/// Reads a rules file. Throws UsageError: `PATH: line 3, column 7: …`, or why it cannot be read.
[[nodiscard]] std::vector<Rule> read_rules_file(const std::string& path);

} // namespace slirpstack
