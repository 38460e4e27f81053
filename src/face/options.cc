#include "face/options.hh"

#include "base/last_word.hh"
#include "face/cgnat.hh"
#include "face/native_command_line.hh"
#include "face/slirpnetstack.hh"
#include "face/slnat.hh"

#include <algorithm>
#include <fmt/format.h>

namespace slirpstack {

Config::Manner manner_of(std::string_view program)
{
  const std::size_t slash = program.rfind('/');
  const std::string_view name = program.substr(slash == std::string_view::npos ? 0 : slash + 1);
  if (name == "slnat") {
    return Config::Manner::slnat;
  }
  if (name == "cgnat") {
    return Config::Manner::cgnat;
  }
  return name == "slirpnetstack" ? Config::Manner::slirpnetstack : Config::Manner::slirpstack;
}

std::string_view program_name(Config::Manner manner)
{
  switch (manner) {
    case Config::Manner::slnat:
      return "slnat";
    case Config::Manner::cgnat:
      return "cgnat";
    default:
      return "slirpstack";
  }
}

Config parse_command_line(int argc, const char* const* argv)
{
  // argv[0] may be missing: execve() allows an empty vector.
  const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  if (argc > 0 && manner_of(argv[0]) == Config::Manner::slirpnetstack) {
    return parse_slirpnetstack(arguments);
  }
  if (argc > 0 && manner_of(argv[0]) == Config::Manner::slnat) {
    return parse_slnat(arguments);
  }
  if (argc > 0 && manner_of(argv[0]) == Config::Manner::cgnat) {
    return parse_cgnat(arguments);
  }
  return parse_command_line(arguments);
}

void print_help(const Config& config, std::string_view program)
{
  switch (config.manner) {
    case Config::Manner::slirpnetstack:
      fmt::print(stderr, "{}", slirpnetstack_usage(program));
      break;
    case Config::Manner::slnat:
      fmt::print("{}", slnat_usage());
      break;
    case Config::Manner::cgnat:
      fmt::print("{}", cgnat_usage());
      break;
    case Config::Manner::slirpstack:
      fmt::print("{}", help_text());
      break;
  }
}

void print_usage_error(std::string_view program, std::string_view mistake)
{
  if (manner_of(program) == Config::Manner::slirpnetstack) {
    fmt::print(stderr, "{}\n{}", mistake, slirpnetstack_usage(program));
  } else {
    write_last_word(program_name(manner_of(program)), mistake);
  }
}

LogFormat typed_log_format(std::span<const std::string> arguments)
{
  const auto asks = [](std::string_view argument) {
    argument.remove_prefix(argument.starts_with("--") ? 1 : 0);
    return argument == "-log-format=json";
  };
  for (auto next = arguments.begin(); next != arguments.end() && *next != "--"; ++next) {
    const bool is_name = *next == "-log-format" || *next == "--log-format";
    if (asks(*next) || (is_name && next + 1 != arguments.end() && *(next + 1) == "json")) {
      return LogFormat::json;
    }
  }
  return LogFormat::text;
}

std::string remedy_of(const Config& config, const std::error_code& error)
{
  const bool is_missing = config.action == Config::Action::attach && !config.network.configure
                          && error == std::errc::no_such_device;
  if (!is_missing) {
    return {};
  }
  return config.attach.netns || config.attach.pid
           ? " (-configure makes it)"
           : " (with -netns or a process id, -configure makes it)";
}

std::string version_text(const Config& config)
{
  return config.manner == Config::Manner::slirpnetstack ? slirpnetstack_version()
                                                        : "slirpstack version " SLIRPSTACK_VERSION;
}

} // namespace slirpstack
