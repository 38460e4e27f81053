#include "face/slnat.hh"

#include "base/error.hh"
#include "base/quoted.hh"
#include "flow/prefix_mapping.hh"

#include <fmt/format.h>
#include <optional>
#include <vector>

namespace slirpstack {

namespace {

using Words = std::vector<std::string>;

/// What follows an interface's name.
std::optional<Words> interface_request(std::span<const std::string> words)
{
  const std::string& interface = words[0];
  const std::string& verb = words[1];
  if (verb == "list" && words.size() == 2) {
    return Words{"list", interface};
  }
  if (verb == "del" && words.size() == 3) {
    return Words{"del", interface, words[2]};
  }
  PrefixMapping kind;
  if (verb == "add" && words.size() >= 4 && read_mapping_words(words.subspan(4), kind)) {
    Words request{"add", interface};
    request.insert(request.end(), words.begin() + 2, words.end());
    return request;
  }
  return std::nullopt;
}

std::optional<Words> map_request(std::span<const std::string> words)
{
  if (words.size() == 1 && words[0] == "status") {
    return Words{"status"};
  }
  if (words.size() == 1 && words[0] == "clear-all") {
    return Words{"drop", "--all"};
  }
  if (words.size() == 2 && words[0] == "add-batch") {
    return Words{"batch", words[1]};
  }
  if (words.size() == 2 && words[0] == "del-batch") {
    return Words{"batch", "--delete", words[1]};
  }
  if (words.size() == 2 && words[0] == "drop") {
    return Words{"drop", words[1]};
  }
  return words.size() >= 2 ? interface_request(words) : std::nullopt;
}

bool asks_for_help(std::span<const std::string> words)
{
  return words.empty() || words[0] == "help" || words[0] == "-h" || words[0] == "--help";
}

} // namespace

Config parse_slnat(std::span<const std::string> arguments)
{
  Config config;
  config.manner = Config::Manner::slnat;
  if (asks_for_help(arguments)) {
    config.action = Config::Action::help;
    return config;
  }
  const auto request = map_request(arguments);
  if (!request) {
    throw UsageError(fmt::format("{}: no such request (slnat help tells more)",
                                 quoted(fmt::format("{}", fmt::join(arguments, " ")))));
  }
  config.action = Config::Action::control;
  config.command = {"", "map"}; // the socket is whatever the environment says
  config.command.insert(config.command.end(), request->begin(), request->end());
  return config;
}

std::string slnat_usage()
{
  return "slnat shows and changes the prefix mappings of a running slirpstack, whose control\n"
         "socket is SLIRPSTACK_CONTROL or /run/slirpstack/map.sock.\n"
         "\n"
         "  slnat status                        how many there are\n"
         "  slnat IF list                       those of an interface\n"
         "  slnat IF add INTERNAL/LEN EXTERNAL/LEN [neutral] [open]\n"
         "  slnat IF del INTERNAL/LEN\n"
         "  slnat drop IF | drop --all          all of an interface, or of all of them\n"
         "  slnat clear-all                     the same as drop --all\n"
         "  slnat add-batch FILE                a line each: add IF INTERNAL/LEN EXTERNAL/LEN\n"
         "  slnat del-batch FILE                removes what the file adds\n";
}

} // namespace slirpstack
