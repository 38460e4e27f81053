// The value of -deny becomes rules, each of which its own text makes again, or a UsageError of
// one line.

#include "base/error.hh"
#include "flow/rule.hh"
#include "require.hh"

using namespace slirpstack;

namespace {

constexpr std::string_view OPTION = "-deny ";

void check(const Rule& rule)
{
  require(rule.action == RuleAction::deny && rule.direction == FlowDirection::out);
  require(rule.line == 0 && rule.limits == RuleLimits() && !rule.source && rule.note.empty());
  require(rule.ports.size() <= 1);
  require(rule.text.starts_with(OPTION));
  const std::string_view entry = std::string_view(rule.text).substr(OPTION.size());
  require(parse_rule_list(RuleAction::deny, entry) == std::vector{rule});
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const std::string text(data, data + size);
  try {
    const std::vector<Rule> rules = parse_rule_list(RuleAction::deny, text);
    require(!rules.empty());
    for (const Rule& rule : rules) {
      check(rule);
    }
  } catch (const UsageError& error) {
    const std::string_view reason = error.what();
    require(!reason.empty() && reason.find_first_of("\n\r") == std::string_view::npos);
  }
  return 0;
}
