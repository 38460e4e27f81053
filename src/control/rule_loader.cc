#include "control/rule_loader.hh"

#include "base/error.hh"
#include "base/file_descriptor.hh"
#include "base/log.hh"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <fmt/format.h>
#include <iterator>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace slirpstack {

namespace {

// A name service that says "0" or "1" is not asked every second for the rest of the day.
constexpr std::chrono::seconds LEAST_LIFETIME(5);
constexpr std::chrono::seconds MOST_LIFETIME(3600);
constexpr std::chrono::seconds RETRY_TIME(10);
constexpr std::size_t MOST_BYTES = 64 << 20;

Duration lifetime_of(const LookupAnswer& answer)
{
  return answer.addresses.empty() ? RETRY_TIME
                                  : std::clamp(answer.lifetime, LEAST_LIFETIME, MOST_LIFETIME);
}

} // namespace

namespace {

/// All of a regular file: a pipe would hold up every guest until its writer has come.
std::string read_regular_file(const std::string& path)
{
  const FileDescriptor file(
    system_call("open it", ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)));
  struct stat status = {};
  system_call("look at it", ::fstat(file.get(), &status));
  if (!S_ISREG(status.st_mode)) {
    throw UsageError(fmt::format("the rules file {} must be a regular file", path));
  }
  std::string text;
  std::array<char, 65536> piece; // NOLINT: filled as far as it is read
  while (const auto length
         = system_call("read it", ::read(file.get(), piece.data(), piece.size()))) {
    text.append(piece.data(), static_cast<std::size_t>(length));
    if (text.size() > MOST_BYTES) {
      throw UsageError(fmt::format("{}: is no rules file: larger than 64 MiB", path));
    }
  }
  return text;
}

} // namespace

std::vector<Rule> read_rules_file(const std::string& path)
{
  try {
    return parse_rules(read_regular_file(path));
  } catch (const std::system_error& error) {
    throw UsageError(
      fmt::format("cannot read the rules file {}: {}", path, error.code().message()));
  } catch (const RuleError& error) {
    throw UsageError(fmt::format("{}: {}", path, error.what()));
  }
}

std::string open_rule_text(const HostName& name, const LookupAnswer& answer)
{
  return fmt::format(
    "a rule is against {}, whose addresses are not known: {}", name.to_string(), answer.error);
}

/// A reading of the file: its rules, which wait for the addresses of their names.
struct RuleLoader::Load
{
  std::vector<Done> askers;
  RuleSet rules;
  std::map<HostName, LookupAnswer> answers;
  std::size_t left = 0;
  std::vector<std::unique_ptr<PendingLookup>> lookups;
};

RuleLoader::RuleLoader(std::string path,
                       Gateway& gateway,
                       NameResolver& names,
                       const EventTime& time)
  : path_(std::move(path)), gateway_(gateway), names_(names), time_(time)
{}

RuleLoader::~RuleLoader() = default;

void RuleLoader::load(Done done)
{
  asked_.push_back(std::move(done));
  load_next();
}

void RuleLoader::load_next()
{
  if (!load_ && !asked_.empty()) {
    load_ = std::make_unique<Load>();
    load_->askers = std::exchange(asked_, {});
    begin();
  }
}

void RuleLoader::begin()
{
  try {
    if (!path_.empty()) {
      load_->rules = RuleSet(read_rules_file(path_), time_.now);
    }
  } catch (const std::exception& error) {
    end({.error = error.what()});
    return;
  }
  std::vector<HostName> names = load_->rules.names();
  for (HostName& name : gateway_.policy().list_names()) {
    names.push_back(std::move(name));
  }
  load_->left = names.size();
  for (const HostName& name : names) {
    load_->lookups.push_back(names_.look_up_afresh(
      name, [this, name](const LookupAnswer& answer) { on_first_answer(name, answer); }));
  }
  if (names.empty()) {
    on_names_known();
  }
}

void RuleLoader::on_first_answer(const HostName& name, const LookupAnswer& answer)
{
  if (answer.addresses.empty() && !has_addresses(name)) {
    std::vector<std::string> rules = load_->rules.about(name);
    std::ranges::move(gateway_.policy().lists_about(name), std::back_inserter(rules));
    for (const std::string& rule : rules) {
      log(LogLevel::warning,
          "a rule matches nothing: its name has no address",
          {{"file", path_}, {"rule", rule}, {"reason", answer.error}});
    }
  }
  load_->answers.insert_or_assign(name, answer);
  if (--load_->left == 0) {
    on_names_known();
  }
}

void RuleLoader::on_names_known()
{
  if (std::string open = open_rule(*load_); !open.empty()) {
    end({.error = std::move(open)});
    return;
  }
  const std::size_t rules = load_->rules.rules().size();
  put_into_effect(*load_, [this, rules](std::size_t flows_ended) {
    if (!path_.empty()) {
      log(LogLevel::info,
          "rules in effect",
          {{"file", path_}, {"rules", rules}, {"flows_ended", flows_ended}});
    }
    end({.error = {}, .rules = rules, .flows_ended = flows_ended});
  });
}

void RuleLoader::end(const Outcome& outcome)
{
  // Whoever is told may ask for the next load: it waits until all are told of this one.
  for (const Done& done : load_->askers) {
    done(outcome);
  }
  load_.reset();
  load_next();
}

std::string RuleLoader::open_rule(const Load& load) const
{
  for (const auto& [name, answer] : load.answers) {
    const bool is_open = answer.addresses.empty() && !answer.no_such_name
                         && (load.rules.forbids(name) || gateway_.policy().list_forbids(name));
    if (is_open && !has_addresses(name)) {
      return open_rule_text(name, answer);
    }
  }
  return {};
}

bool RuleLoader::has_addresses(const HostName& name) const
{
  const auto followed = followed_.find(name);
  return followed != followed_.end() && !followed->second.addresses.empty();
}

void RuleLoader::put_into_effect(Load& load, FlowReview::Done done)
{
  for (const auto& [host, answer] : load.answers) {
    Name& name = followed_[host];
    if (!answer.addresses.empty()) {
      name.addresses = answer.addresses;
    }
    look_up_at(time_.now + lifetime_of(answer), host, name);
    load.rules.set_addresses(host, name.addresses);
    gateway_.policy().set_addresses(host, name.addresses);
  }
  // A name goes with the last rule that has it.
  std::vector<HostName> names = load.rules.names();
  std::ranges::move(gateway_.policy().list_names(), std::back_inserter(names));
  std::ranges::sort(names);
  std::erase_if(followed_, [&](const auto& followed) {
    const bool goes = !std::ranges::binary_search(names, followed.first);
    if (goes) {
      due_.erase({followed.second.next_lookup, followed.first});
    }
    return goes;
  });
  gateway_.set_rules(std::move(load.rules), std::move(done)); // last: it may tell whoever waits
}

TimePoint RuleLoader::next_deadline() const
{
  return due_.empty() ? NEVER : due_.begin()->first;
}

void RuleLoader::look_up_at(TimePoint when, const HostName& host, Name& name)
{
  due_.erase({name.next_lookup, host});
  name.next_lookup = when;
  if (when != NEVER) {
    due_.emplace(when, host);
  }
}

void RuleLoader::on_deadline()
{
  while (next_deadline() <= time_.now) {
    const HostName host = due_.begin()->second;
    Name& name = followed_.at(host);
    look_up_at(NEVER, host, name); // until it is answered
    name.lookup = names_.look_up_afresh(
      host, [this, host](const LookupAnswer& answer) { on_refreshed(host, answer); });
  }
}

void RuleLoader::on_refreshed(const HostName& name, const LookupAnswer& answer)
{
  Name& followed = followed_[name];
  look_up_at(time_.now + lifetime_of(answer), name, followed);
  // A name that fails keeps what it had: a dead name service must not change what is allowed. Many
  // name servers tell the same addresses in another order each time.
  if (answer.addresses.empty()
      || std::ranges::is_permutation(answer.addresses, followed.addresses)) {
    return;
  }
  followed.addresses = answer.addresses;
  Policy& policy = gateway_.policy();
  policy.set_addresses(name, answer.addresses);
  // What a name had allowed lives on: a large service answers with a few of its addresses at a
  // time.
  if (policy.rules().forbids(name) || policy.list_forbids(name)) {
    gateway_.end_denied_flows();
  }
}

} // namespace slirpstack
