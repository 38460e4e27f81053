#include "base/line.hh"
#include "flow/rule.hh"
#include "flow/rule_line.hh"
#include "flow/rule_parser.hh"

#include <fmt/format.h>

namespace slirpstack {

namespace {

// A file that long is a mistake, or meant to make us slow.
constexpr std::size_t MAXIMUM_RULES = 65536;

} // namespace

std::vector<Rule> parse_rules(std::string_view text)
{
  std::vector<Rule> rules;
  for (unsigned number = 1; !text.empty(); ++number) {
    RuleLine line(take_line(text), number);
    if (std::optional<Rule> rule = RuleParser(line).parse()) {
      if (rules.size() == MAXIMUM_RULES) {
        line.fail(line.read(), fmt::format("more than {} rules", MAXIMUM_RULES));
      }
      rules.push_back(std::move(*rule));
    }
  }
  return rules;
}

} // namespace slirpstack
