#include "control/answer_text.hh"

#include <fmt/format.h>
#include <iterator>
#include <nlohmann/json.hpp>

namespace slirpstack {

namespace {

using Json = nlohmann::ordered_json;

std::string joined(const Json& list)
{
  std::string text;
  for (const Json& each : list) {
    text += fmt::format("{}{}", text.empty() ? "" : " ", each.get<std::string>());
  }
  return text;
}

std::string forward_line(const Json& forward)
{
  const bool is_local = forward.contains("local");
  return fmt::format("{}  {} {}  {}  {} flows\n",
                     forward.at("id").get<unsigned>(),
                     is_local ? "-L" : "-R",
                     forward.at(is_local ? "local" : "remote").get<std::string>(),
                     joined(forward.at(is_local ? "listening" : "matching")),
                     forward.at("flows").get<std::uint64_t>());
}

std::string flow_line(const Json& flow)
{
  return fmt::format("{} {} -> {}  {}  {} B out, {} B in\n",
                     flow.at("protocol").get<std::string>(),
                     flow.at("guest").get<std::string>(),
                     flow.at("remote").get<std::string>(),
                     flow.at("origin").get<std::string>(),
                     flow.at("to_host_bytes").get<std::uint64_t>(),
                     flow.at("to_guest_bytes").get<std::uint64_t>());
}

std::string rule_line(const Json& rule)
{
  return fmt::format("{}: {}  ({} matched, {} limited, {} flows)\n",
                     rule.at("line").get<unsigned>(),
                     rule.at("rule").get<std::string>(),
                     rule.at("matched").get<std::uint64_t>(),
                     rule.at("limited").get<std::uint64_t>(),
                     rule.at("flows").get<std::uint64_t>());
}

std::string explanation_line(const Json& explanation)
{
  return fmt::format("{}: {}, {}\n",
                     explanation.at("destination").get<std::string>(),
                     explanation.at("verdict").get<std::string>(),
                     explanation.at("by").get<std::string>());
}

std::string lines(const Json& list, std::string (*line)(const Json&))
{
  std::string text;
  for (const Json& each : list) {
    text += line(each);
  }
  return text;
}

/// The words for each request; the answer is one that says yes.
struct Wording
{
  const Json& answer;

  AnswerText operator()(const AddForward&) const
  {
    return {.text = forward_line(answer), .error = {}};
  }
  AnswerText operator()(const ListForwards&) const
  {
    return {.text = lines(answer.at("forwards"), forward_line), .error = {}};
  }
  AnswerText operator()(const RemoveForward&) const { return {}; }
  AnswerText operator()(const ReloadRules&) const
  {
    return {.text = fmt::format("{} rules, {} flows ended\n",
                                answer.at("rules").get<std::uint64_t>(),
                                answer.at("flows_ended").get<std::uint64_t>()),
            .error = {}};
  }
  AnswerText operator()(const ListRules&) const
  {
    return {.text = lines(answer.at("rules"), rule_line), .error = {}};
  }
  AnswerText operator()(const Explain&) const
  {
    AnswerText text{.text = lines(answer.at("explanations"), explanation_line), .error = {}};
    for (const Json& each : answer.at("explanations")) {
      text.exit_status = each.at("allowed").get<bool>() ? text.exit_status : 1;
    }
    return text;
  }
  AnswerText operator()(const ListFlows&) const
  {
    return {.text = lines(answer.at("flows"), flow_line), .error = {}};
  }
  AnswerText operator()(const ShowStatistics&) const
  {
    Json shown = answer;
    shown.erase("ok");
    return {.text = shown.dump(2) + '\n', .error = {}};
  }
};

} // namespace

AnswerText answer_text(const Request& request, std::string_view answer)
{
  try {
    const Json parsed = Json::parse(answer);
    if (!parsed.at("ok").get<bool>()) {
      return {.text = {}, .error = parsed.at("error").get<std::string>(), .exit_status = 1};
    }
    return std::visit(Wording{parsed}, request);
  } catch (const nlohmann::json::exception&) {
    return {.text = {},
            .error = "the answer cannot be understood: is this slirpstack's control socket?",
            .exit_status = 1};
  }
}

} // namespace slirpstack
