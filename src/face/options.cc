#include "face/options.hh"

#include "base/error.hh"
#include "base/file_descriptor.hh"
#include "base/last_word.hh"
#include "face/accel_settings.hh"
#include "face/cgnat.hh"
#include "face/go_flags.hh"
#include "face/native_options.hh"
#include "face/settings.hh"
#include "face/slirpnetstack.hh"
#include "face/slnat.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace slirpstack {

namespace {

GoArguments split(std::span<const std::string> arguments)
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

[[noreturn]] void refuse_pair(std::string_view one, std::string_view other, std::string_view reason)
{
  throw UsageError(fmt::format("{} cannot be used with {}: {}", one, other, reason));
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

void check_open(std::string_view name, int number)
{
  if (::fcntl(number, F_GETFD) < 0) {
    throw invalid_value(fmt::format("{}", number), name, "must be an open descriptor");
  }
}

/// An address that is not the host's would fail each flow, without a word about the flag.
void check_is_ours(std::string_view name, const IpAddress& source)
{
  sockaddr_storage storage{};
  socklen_t length_bytes = sizeof(sockaddr_in6);
  if (source.is_ipv4()) {
    auto& address = reinterpret_cast<sockaddr_in&>(storage);
    length_bytes = sizeof address;
    std::memcpy(&address.sin_addr, source.bytes().data(), sizeof address.sin_addr);
  } else {
    auto& address = reinterpret_cast<sockaddr_in6&>(storage);
    std::memcpy(&address.sin6_addr, source.bytes().data(), sizeof address.sin6_addr);
  }
  const int family = source.is_ipv4() ? AF_INET : AF_INET6;
  storage.ss_family = static_cast<sa_family_t>(family);
  const FileDescriptor probe(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (probe && ::bind(probe.get(), reinterpret_cast<const sockaddr*>(&storage), length_bytes) < 0
      && errno == EADDRNOTAVAIL) {
    throw invalid_value(source.to_string(), name, "must be one of this host's own addresses");
  }
}

/// epoll refuses plain files and /dev/null with EPERM.
void check_can_be_watched(std::string_view name, int number)
{
  const FileDescriptor poll(system_call("make an epoll", ::epoll_create1(EPOLL_CLOEXEC)));
  epoll_event event{};
  if (::epoll_ctl(poll.get(), EPOLL_CTL_ADD, number, &event) < 0 && errno == EPERM) {
    throw invalid_value(fmt::format("{}", number), name, "must be a pipe or a socket, no file");
  }
}

/// `explain [options] WORDS`: what the rules of those options say.
Config parse_explain_line(std::span<const std::string> arguments)
{
  GoArguments given = split(arguments);
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
  GoArguments given = split(arguments);
  const bool runs = !given.operands.empty() && given.operands.front() == "run";
  if (runs) {
    GoArguments rest = split(std::span(given.operands).subspan(1));
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

void check_descriptors(const Config& config)
{
  if (config.lifecycle.ready_fd) {
    check_open("ready-fd", *config.lifecycle.ready_fd);
    if ((::fcntl(*config.lifecycle.ready_fd, F_GETFL) & O_ACCMODE) == O_RDONLY) {
      throw invalid_value(
        fmt::format("{}", *config.lifecycle.ready_fd), "ready-fd", "must be open for writing");
    }
  }
  if (config.lifecycle.exit_fd) {
    check_open("exit-fd", *config.lifecycle.exit_fd);
    check_can_be_watched("exit-fd", *config.lifecycle.exit_fd);
  }
  if (config.attach.fd) {
    check_open("fd", *config.attach.fd);
    int type = 0;
    socklen_t length = sizeof type;
    const int result = ::getsockopt(*config.attach.fd, SOL_SOCKET, SO_TYPE, &type, &length);
    if (result < 0 || (type != SOCK_DGRAM && type != SOCK_SEQPACKET)) {
      throw invalid_value(fmt::format("{}", *config.attach.fd),
                          "fd",
                          "must be a datagram socket, an Ethernet frame in each datagram");
    }
  }
}

void check_sources(const Config& config)
{
  if (config.egress.source_ipv4) {
    check_is_ours("source-ipv4", *config.egress.source_ipv4);
  }
  if (config.egress.source_ipv6) {
    check_is_ours("source-ipv6", *config.egress.source_ipv6);
  }
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
