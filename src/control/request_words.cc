// Requests from the words of a command line.

#include "base/quoted.hh"
#include "control/request.hh"
#include "control/usage.hh"

#include <charconv>
#include <fmt/format.h>
#include <optional>

namespace slirpstack {

namespace {

using Words = std::span<const std::string>;

/// `-L` and `--L` are the same, as everywhere.
bool is_flag(std::string_view word, std::string_view name)
{
  return word.starts_with('-') && word.substr(word.starts_with("--") ? 2 : 1) == name;
}

/// Says how the commands with this noun are typed.
[[noreturn]] void throw_usage(std::string_view noun, std::string_view program = CONTROL_PROGRAM)
{
  throw RequestError(fmt::format("usage: {}", usage_of(noun, program)));
}

std::uint32_t parse_id(std::string_view text)
{
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw RequestError(fmt::format("forward \"{}\" must be a number (forward list)", text));
  }
  return id;
}

/// `-L SPEC` or `-L=SPEC`, the flag by any of the names that the command line has for it.
std::optional<AddForward> parse_forward_flag(Words words)
{
  const std::string_view first = words.empty() ? std::string_view() : words.front();
  const std::string_view flag = first.substr(0, first.find('='));
  const bool has_value = flag.size() < first.size();
  const bool is_local = is_flag(flag, "L") || is_flag(flag, "local-forward");
  const bool is_remote = is_flag(flag, "R") || is_flag(flag, "remote-forward");
  if ((!is_local && !is_remote) || words.size() != (has_value ? 1 : 2)) {
    return std::nullopt;
  }
  return add_forward(is_local ? ForwardDirection::local : ForwardDirection::remote,
                     std::string(has_value ? first.substr(flag.size() + 1) : words[1]));
}

Request parse_forward(Words words)
{
  const std::string_view verb = words.empty() ? std::string_view() : words.front();
  if (verb == "add") {
    if (auto request = parse_forward_flag(words.subspan(1))) {
      return *std::move(request);
    }
  }
  if (verb == "list" && words.size() == 1) {
    return ListForwards{};
  }
  if (verb == "remove" && words.size() == 2) {
    return RemoveForward{parse_id(words[1]), false};
  }
  if (verb == "remove" && words.size() == 3
      && (is_flag(words[1], "drain") || is_flag(words[2], "drain"))) {
    return RemoveForward{parse_id(is_flag(words[1], "drain") ? words[2] : words[1]), true};
  }
  throw_usage("forward");
}

Request parse_rules_verb(Words words)
{
  if (words.size() == 1 && words[0] == "reload") {
    return ReloadRules{};
  }
  if (words.size() == 1 && words[0] == "list") {
    return ListRules{};
  }
  throw_usage("rules");
}

Request parse_explain_words(Words words, std::string_view program)
{
  FlowDirection direction = FlowDirection::out;
  if (!words.empty() && (words[0] == "in" || words[0] == "out")) {
    direction = words[0] == "in" ? FlowDirection::in : FlowDirection::out;
    words = words.subspan(1);
  }
  if (words.size() != 2) {
    throw_usage("explain", program);
  }
  return parse_explain(direction, words[0], words[1]);
}

Request parse_map(Words words)
{
  const std::string_view verb = words.empty() ? std::string_view() : words.front();
  PrefixMapping kind;
  if (verb == "add" && words.size() >= 4 && read_mapping_words(words.subspan(4), kind)) {
    return ChangeMapping{.kind = MapEdit::Kind::add,
                         .interface = words[1],
                         .internal = words[2],
                         .external = words[3],
                         .neutral = kind.neutral,
                         .open = kind.open};
  }
  if (verb == "del" && words.size() == 3) {
    return ChangeMapping{
      .kind = MapEdit::Kind::remove, .interface = words[1], .internal = words[2], .external = {}};
  }
  if (verb == "drop" && words.size() == 2 && !words[1].empty()) {
    return ChangeMapping{.kind = MapEdit::Kind::drop,
                         .interface = is_flag(words[1], "all") ? std::string() : words[1],
                         .internal = {},
                         .external = {}};
  }
  if ((verb == "list" || verb == "status") && words.size() <= 2) {
    return ListMappings{.interface = words.size() == 2 ? words[1] : std::string(),
                        .as_status = verb == "status"};
  }
  if (verb == "batch" && words.size() == 2) {
    return BatchMap{.text = {}, .file = words[1]};
  }
  if (verb == "batch" && words.size() == 3 && is_flag(words[1], "delete")) {
    return BatchMap{.text = {}, .file = words[2], .deletes = true};
  }
  if (verb == "resolve" && words.size() == 2) {
    return ResolveAddress{words[1]};
  }
  throw_usage("map");
}

Request parse_accel(Words words)
{
  if (words.size() == 1 && words[0] == "status") {
    return ShowAccelerator{};
  }
  if (words.size() == 1 && words[0] == "bindings") {
    return ListBindings{};
  }
  throw_usage("accel");
}

} // namespace

Request parse_request_words(Words words, std::string_view program)
{
  const std::string_view noun = words.empty() ? std::string_view() : words.front();
  const Words rest = words.subspan(words.empty() ? 0 : 1);
  if (noun == "forward") {
    return parse_forward(rest);
  }
  if (noun == "rules") {
    return parse_rules_verb(rest);
  }
  if (noun == "explain") {
    return parse_explain_words(rest, program);
  }
  if (noun == "map") {
    return parse_map(rest);
  }
  if (noun == "accel") {
    return parse_accel(rest);
  }
  if (noun == "flows" && rest.empty()) {
    return ListFlows{};
  }
  if (noun == "statistics" && rest.empty()) {
    return ShowStatistics{};
  }
  if (is_command_noun(noun)) {
    throw_usage(noun);
  }
  throw RequestError(
    noun.empty() ? fmt::format("usage: {} COMMAND… (slirpstack ctl -h lists them)", program)
                 : fmt::format("no such command {} (slirpstack ctl -h lists them)", quoted(noun)));
}

} // namespace slirpstack
