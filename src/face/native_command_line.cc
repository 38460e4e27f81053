#include "face/native_command_line.hh"

#include "base/error.hh"
#include "base/quoted.hh"
#include "face/accel_settings.hh"
#include "face/go_flags.hh"
#include "face/native_options.hh"
#include "face/refuse_pair.hh"
#include "face/settings.hh"
#include "flow/forward_check.hh"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>

namespace slirpstack {

namespace {

GoArguments split_or_suggest(std::span<const std::string> arguments)
{
  try {
    return split_go_arguments(arguments, native_options(), DoubleDash::end);
  } catch (const UndefinedFlag& undefined) {
    const auto nearest = nearest_name(undefined.name(), native_options());
    if (!nearest) {
      throw;
    }
    throw UsageError(fmt::format("{} (did you mean -{}?)", undefined.what(), *nearest));
  }
}

/// A process id, or what to type instead.
pid_t parse_pid(const std::string& operand)
{
  pid_t pid = 0;
  const char* const end = operand.data() + operand.size();
  const auto [stop, error] = std::from_chars(operand.data(), end, pid);
  if (error == std::errc() && stop == end && pid > 0) {
    return pid;
  }
  const std::string_view remedy
    = operand.find('/') != std::string::npos
        ? "must be a number above 0; -netns takes the path of a namespace"
        : "must be a number above 0; -netns takes the name of a namespace, run takes a command";
  throw UsageError(fmt::format("invalid process id {}: {}", quoted(operand), remedy));
}

void read_operands(const std::vector<std::string>& operands, Config::Attach& attach)
{
  if (operands.empty()) {
    return;
  }
  attach.pid = parse_pid(operands.front());
  if (operands.size() == 1) {
    return;
  }
  const std::string& extra = operands[1];
  throw UsageError(
    extra.starts_with('-')
      ? fmt::format("flag {} after process id {}: flags go before it", quoted(extra), *attach.pid)
      : fmt::format("unexpected argument {} after process id {}: give one process",
                    quoted(extra),
                    *attach.pid));
}

/// slirpnetstack takes an empty one for a port of the host's choice.
void check_forwards(const Config::Forwarding& forwarding)
{
  for (const auto* const specs : {&forwarding.local, &forwarding.remote}) {
    for (const ForwardSpec& spec : *specs) {
      try {
        check_not_blank(spec.direction, spec.text);
      } catch (const UsageError& error) {
        throw invalid_value(
          spec.text, spec.direction == ForwardDirection::local ? "L" : "R", error.what());
      }
    }
  }
}

void check_run(const Config& config)
{
  constexpr std::string_view REASON = "run makes the namespace of its command";
  if (config.attach.netns) {
    refuse_pair("-netns", "run", REASON);
  }
  if (config.attach.userns) {
    refuse_pair("-userns", "run", REASON);
  }
  if (config.attach.fd) {
    refuse_pair("-fd", "run", REASON);
  }
}

/// With `-fd` the guest is whoever holds the socket's other end.
void check_socket_guest(const Config& config)
{
  constexpr std::string_view REASON = "the guest is at the other end of the socket";
  if (config.attach.netns) {
    refuse_pair("-fd", "-netns", REASON);
  }
  if (config.attach.pid) {
    refuse_pair("-fd", "a process id", REASON);
  }
  if (config.attach.userns) {
    refuse_pair("-fd", "-userns", REASON);
  }
  if (config.network.configure) {
    refuse_pair("-fd", "-configure", REASON);
  }
}

void check_attach(const Config& config, bool names_interface)
{
  const Config::Attach& attach = config.attach;
  if (attach.fd) {
    check_socket_guest(config);
    return;
  }
  if (attach.netns && attach.pid) {
    refuse_pair("-netns", "a process id", "each names the namespace to serve");
  }
  if (attach.netns || attach.pid) {
    return;
  }
  if (!names_interface) {
    throw UsageError("nothing to serve: use \"slirpstack run [COMMAND]\", \"slirpstack PID\" or "
                     "\"slirpstack -netns PATH\" (-help tells more)");
  }
  // An interface in the namespace that the program itself uses: no user namespace to join, and
  // a default route through the tap would lead the program's own packets back to it.
  if (attach.userns) {
    throw UsageError("-userns needs -netns or a process id");
  }
  if (config.network.configure) {
    throw UsageError("-configure needs -netns or a process id");
  }
}

/// One descriptor cannot do two of these jobs.
void check_distinct_descriptors(const Config& config)
{
  struct Use
  {
    std::string_view flag;
    std::optional<int> number;
  };
  const std::array<Use, 3> uses{{{"-fd", config.attach.fd},
                                 {"-ready-fd", config.lifecycle.ready_fd},
                                 {"-exit-fd", config.lifecycle.exit_fd}}};
  for (auto one = uses.begin(); one != uses.end(); ++one) {
    const auto other = std::find_if(
      one + 1, uses.end(), [&](const Use& use) { return use.number && use.number == one->number; });
    if (other != uses.end()) {
      refuse_pair(one->flag, other->flag, fmt::format("both name descriptor {}", *one->number));
    }
  }
}

/// `explain [options] WORDS`: what the rules of those options say.
Config parse_explain_line(std::span<const std::string> arguments)
{
  GoArguments given = split_or_suggest(arguments);
  const OptionValues values(given.flags, native_options(), given.typed);
  Config config;
  if (values.is_set("help")) {
    config.action = Config::Action::help;
    return config;
  }
  apply(values, config);
  config.action = Config::Action::explain;
  config.command = std::move(given.operands);
  return config;
}

} // namespace

Config parse_command_line(std::span<const std::string> arguments)
{
  if (!arguments.empty() && arguments.front() == "ctl") {
    Config config;
    config.action = Config::Action::control;
    config.command.assign(arguments.begin() + 1, arguments.end());
    return config;
  }
  if (!arguments.empty() && arguments.front() == "explain") {
    return parse_explain_line(arguments.subspan(1));
  }
  GoArguments given = split_or_suggest(arguments);
  const bool runs = !given.operands.empty() && given.operands.front() == "run";
  if (runs) {
    GoArguments rest = split_or_suggest(std::span(given.operands).subspan(1));
    given.flags.insert(given.flags.end(), rest.flags.begin(), rest.flags.end());
    given.typed.insert(given.typed.end(), rest.typed.begin(), rest.typed.end());
    given.operands = std::move(rest.operands);
  }
  const OptionValues values(given.flags, native_options(), given.typed);
  Config config;
  if (values.is_set("help") || values.is_set("version")) {
    config.action = values.is_set("help") ? Config::Action::help : Config::Action::version;
    return config;
  }
  apply(values, config);
  if (values.is_set("enable-routing") && config.egress.disable_routing) {
    refuse_pair("-enable-routing", "-disable-routing", "each says where the rest may go");
  }
  check_forwards(config.forwarding);
  check_distinct_descriptors(config);
  if (runs) {
    if (values.is_typed("configure") && !values.is_set("configure")) {
      refuse_pair("-configure=false", "run", "the namespace that it makes has no interface yet");
    }
    config.action = Config::Action::run;
    config.command = std::move(given.operands);
    config.network.configure = true;
    check_run(config);
  } else {
    read_operands(given.operands, config.attach);
    check_attach(config, values.has("interface"));
  }
  check_acceleration(config);
  if (config.acceleration.hook) {
    config.network.configure = true; // without it too, should it not be available
  }
  return config;
}

std::string help_text()
{
  return "slirpstack gives a network namespace the internet, without root.\n"
         "\n"
         "  slirpstack run [options] [--] [COMMAND...]  a command or a shell, in a new one\n"
         "  slirpstack [options] PID                    the namespace of a process\n"
         "  slirpstack [options] -netns PATH|NAME       a namespace that has a name\n"
         "  slirpstack [options] -fd N                  a guest behind a socket\n"
         "  slirpstack [options] -interface NAME        an interface in this namespace\n"
         "  slirpstack ctl SOCKET COMMAND...            ask a running one (-control)\n"
         "  slirpstack explain [options] [in|out] tcp|udp HOST:PORT | icmp HOST\n"
         "                                              what its rules would say\n"
         "\n"
         + describe(native_options())
         + "\n"
           "Without an address -L listens on the host's 127.0.0.1. The schemes are tcp (the\n"
           "default), udp, udprpc, tcppp and udpspp.\n"
           "  -L 8080:80            the host's 127.0.0.1:8080 is the guest's port 80\n"
           "  -L 0.0.0.0:8080::80   the same at every address of the host\n"
           "  -L udp://5353         UDP, the same port on both sides\n"
           "  -R 5432               the guest's 10.0.2.2:5432 is the host's 127.0.0.1:5432\n";
}

} // namespace slirpstack
