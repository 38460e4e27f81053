#include "control/answer_text.hh"

#include "control/json_line.hh"
#include "wire/protocol_name.hh"

#include <fmt/format.h>
#include <iterator>
#include <map>

namespace slirpstack {

namespace {

std::string joined(const Json& list)
{
  std::string text;
  for (const Json& each : list) {
    text += fmt::format("{}{}", text.empty() ? "" : " ", each.get<std::string>());
  }
  return text;
}

std::string flow_count(const Json& forward)
{
  return fmt::format("{} flows", forward.at("flows").get<std::uint64_t>());
}

std::string forward_line(const Json& forward)
{
  const bool is_local = forward.contains("local");
  return fmt::format("{}  {} {}  {}  {}{}\n",
                     forward.at("id").get<unsigned>(),
                     is_local ? "-L" : "-R",
                     forward.at(is_local ? "local" : "remote").get<std::string>(),
                     joined(forward.at(is_local ? "listening" : "matching")),
                     forward.at("published").get<bool>() ? "by the NAT" : flow_count(forward),
                     forward.at("draining").get<bool>() ? ", draining" : "");
}

std::string flow_line(const Json& flow)
{
  const std::string carried = flow.at("kernel").get<bool>()
                                ? "by the kernel"
                                : fmt::format("{} B out, {} B in",
                                              flow.at("to_host_bytes").get<std::uint64_t>(),
                                              flow.at("to_guest_bytes").get<std::uint64_t>());
  return fmt::format("{} {} -> {}  {}  {}\n",
                     flow.at("protocol").get<std::string>(),
                     flow.at("guest").get<std::string>(),
                     flow.at("remote").get<std::string>(),
                     flow.at("origin").get<std::string>(),
                     carried);
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

std::string explanation_line(const Explain& asked, const Json& explanation)
{
  return fmt::format("{} {}: {}, {}\n",
                     protocol_name(asked.protocol),
                     explanation.at("destination").get<std::string>(),
                     explanation.at("verdict").get<std::string>(),
                     explanation.at("by").get<std::string>());
}

std::string mapping_line(const Json& mapping)
{
  return fmt::format("{} {} -> {}{}{}\n",
                     mapping.at("interface").get<std::string>(),
                     mapping.at("internal").get<std::string>(),
                     mapping.at("external").get<std::string>(),
                     mapping.at("neutral").get<bool>() ? " neutral" : "",
                     mapping.at("open").get<bool>() ? " open" : "");
}

/// `2001:db8:1::5 -> 2001:db8:2::5  (eth0 2001:db8:1::/64 -> 2001:db8:2::/64)`
std::string translation_line(const Json& answer, const char* side, std::string_view arrow)
{
  if (!answer.contains(side)) {
    return {};
  }
  const Json& found = answer.at(side);
  const bool is_mapped = found.contains("address");
  return fmt::format("{} {} {}  ({})\n",
                     answer.at("address").get<std::string>(),
                     arrow,
                     found.at(is_mapped ? "address" : "reason").get<std::string>(),
                     found.at("mapping").get<std::string>());
}

/// How many mappings there are, of each interface.
std::string mapping_counts(const Json& mappings)
{
  std::map<std::string, std::size_t> counts;
  for (const Json& mapping : mappings) {
    ++counts[mapping.at("interface").get<std::string>()];
  }
  std::string text = fmt::format("{} mappings\n", mappings.size());
  for (const auto& [interface, count] : counts) {
    text += fmt::format("{}: {}\n", interface, count);
  }
  return text;
}

/// What is said beside a change that was made.
AnswerText changed(const Json& answer)
{
  AnswerText text;
  if (answer.contains("without_local_route")) {
    for (const Json& prefix : answer.at("without_local_route")) {
      text.warnings.push_back(
        fmt::format("nothing leaves from {0} until the host runs: ip -6 route add local {0} dev lo",
                    prefix.get<std::string>()));
    }
  }
  return text;
}

std::string lines(const Json& list, std::string (*line)(const Json&))
{
  std::string text;
  for (const Json& each : list) {
    text += line(each);
  }
  return text;
}

std::string status_text(const Json& answer)
{
  std::string text
    = fmt::format("{} between {} and {}, ports bound by the {}\n"
                  "addresses {}, ports {}\n"
                  "{} of {} bindings, {} sessions\n",
                  answer.at("hook").get<std::string>(),
                  joined(answer.at("guests")),
                  answer.at("external").get<std::string>(),
                  answer.at("binds").get<std::string>() == "kernel" ? "kernel" : "user-mode stack",
                  answer.at("addresses").get<std::string>(),
                  answer.at("ports").get<std::string>(),
                  answer.at("bindings").get<std::uint64_t>(),
                  answer.at("max_bindings").get<std::uint64_t>(),
                  answer.at("sessions").get<std::uint64_t>());
  if (const auto mappings = answer.at("mappings").get<std::uint64_t>(); mappings > 0) {
    text += fmt::format("{} prefix mappings, {} flows of mapped IPv6\n",
                        mappings,
                        answer.at("mapped_flows").get<std::uint64_t>());
  }
  for (const auto& [name, count] : answer.at("counts").items()) {
    if (count.at("packets").get<std::uint64_t>() > 0) {
      text += fmt::format("{}: {} packets, {} B\n",
                          name,
                          count.at("packets").get<std::uint64_t>(),
                          count.at("bytes").get<std::uint64_t>());
    }
  }
  return text;
}

/// `udp 10.0.2.100:4000 203.0.113.1:61002  idle 3 s`; the zone where there are several.
std::string binding_line(const Json& binding)
{
  const auto zone = binding.at("zone").get<unsigned>();
  return fmt::format("{} {}{} {}  idle {} s\n",
                     binding.at("protocol").get<std::string>(),
                     binding.at("internal").get<std::string>(),
                     zone == 0 ? std::string() : fmt::format("%{}", zone),
                     binding.at("external").get<std::string>(),
                     binding.at("idle_seconds").get<std::uint64_t>());
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
  AnswerText operator()(const Explain& asked) const
  {
    AnswerText text;
    for (const Json& each : answer.at("explanations")) {
      text.text += explanation_line(asked, each);
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
  AnswerText operator()(const ChangeMapping&) const { return changed(answer); }
  AnswerText operator()(const BatchMap&) const { return changed(answer); }
  AnswerText operator()(const ListMappings& request) const
  {
    const Json& mappings = answer.at("mappings");
    if (request.as_status) {
      return {.text = mapping_counts(mappings), .error = {}};
    }
    return {.text = "# Prefix mappings of the namespace\n"
                    "# INTERFACE INTERNAL/LENGTH -> EXTERNAL/LENGTH\n"
                    + lines(mappings, mapping_line),
            .error = {}};
  }
  AnswerText operator()(const ResolveAddress&) const
  {
    return {.text = translation_line(answer, "external", "->")
                    + translation_line(answer, "internal", "<-"),
            .error = {}};
  }
  AnswerText operator()(const ShowAccelerator&) const
  {
    return {.text = status_text(answer), .error = {}};
  }
  AnswerText operator()(const ListBindings&) const
  {
    const auto left_out = answer.at("left_out").get<std::uint64_t>();
    return {.text = lines(answer.at("bindings"), binding_line),
            .error
            = left_out == 0 ? std::string() : fmt::format("{} more are not shown", left_out)};
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
