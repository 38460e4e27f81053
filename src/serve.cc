#include "serve.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "face/exit_status.hh"
#include "face/go_flags.hh"
#include "face/narrator.hh"
#include "face/options.hh"
#include "guest/capture.hh"
#include "guest/guest_command.hh"
#include "guest/guest_tap.hh"
#include "guest/namespace_watch.hh"
#include "guest/parent_death.hh"
#include "guest/raw_capture.hh"
#include "guest/resolv_conf.hh"
#include "host/resolver.hh"
#include "served_addresses.hh"
#include "session.hh"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <unistd.h>

namespace slirpstack {

namespace {

// Descriptors that are not sockets of flows: the loop's, the log, the tap, some room; those of DNS
// queries in flight (DnsForwarder::Settings::max_in_flight), of clients whose PROXY header is
// awaited, and of control and metrics clients.
constexpr std::uint64_t RESERVED_DESCRIPTORS = 64 + 256 + 128 + 96;

// What a command gets to end by itself when -exit-fd says so.
constexpr std::chrono::seconds EXIT_PATIENCE(5);

// The hard limit of descriptors may be a million; a guest should not be able to take that many.
constexpr std::uint64_t DEFAULT_MAX_FLOWS = 65536;

std::size_t flow_limit(const Config& config)
{
  const std::uint64_t descriptors = raise_descriptor_limit();
  const std::uint64_t possible
    = descriptors > 2 * RESERVED_DESCRIPTORS ? descriptors - RESERVED_DESCRIPTORS : descriptors / 2;
  const std::uint64_t asked = config.limits.max_flows.value_or(DEFAULT_MAX_FLOWS);
  if (config.limits.max_flows && asked > possible) {
    log(LogLevel::warning,
        "-max-flows is lowered: RLIMIT_NOFILE allows no more",
        {{"asked", asked}, {"max_flows", possible}});
  }
  return static_cast<std::size_t>(std::min(asked, possible));
}

TapRequest tap_request(const Config& config, bool configure)
{
  TapRequest request{
    .interface = config.network.interface, .configure = configure, .addresses = {}, .mac = {}};
  if (config.network.mtu) {
    request.mtu_bytes = *config.network.mtu;
  }
  const Config::Network& network = config.network;
  request.addresses.ipv4 = GuestAddress{
    Prefix(network.guest(Family::ipv4), network.cidr.length_bits()), network.gateway(Family::ipv4)};
  if (network.carries_ipv6()) {
    request.addresses.ipv6
      = GuestAddress{Prefix(network.guest(Family::ipv6), network.cidr6.length_bits()),
                     network.gateway(Family::ipv6)};
  }
  return request;
}

Link::Device link_device(OpenedTap& tap)
{
  return {.fd = std::move(tap.fd),
          .is_ethernet = tap.is_tap,
          .vnet_header = tap.vnet_header,
          .udp_segmentation = tap.udp_segmentation,
          .mtu_bytes = tap.mtu_bytes,
          .guest_mac = tap.guest_mac};
}

Link::Device inherited_device(const Config& config)
{
  FileDescriptor socket(*config.attach.fd);
  const int flags = system_call("read the flags of -fd", ::fcntl(socket.get(), F_GETFL));
  system_call("make -fd non-blocking", ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK));
  ::fcntl(socket.get(), F_SETFD, FD_CLOEXEC);
  constexpr std::uint32_t DEFAULT_MTU_BYTES = 1500;
  return {.fd = std::move(socket),
          .mtu_bytes = config.network.mtu.value_or(DEFAULT_MTU_BYTES),
          .guest_mac = {}};
}

// slirpnetstack's own, which scripts may know.
constexpr MacAddress SLIRPNETSTACK_MAC{{0x70, 0x71, 0xaa, 0x4b, 0x29, 0xaa}};

bool imitates_slirpnetstack(const Config& config)
{
  return config.manner == Config::Manner::slirpnetstack;
}

void check_file(const char* flag, const std::string& value, const std::string& path)
{
  if (::access(path.c_str(), F_OK) != 0) {
    throw UsageError(
      fmt::format("invalid value \"{}\" for flag -{}: there is no {}", value, flag, path));
  }
}

NamespaceTarget attach_target(const Config& config)
{
  NamespaceTarget target;
  if (config.attach.pid) {
    target = NamespaceTarget::of_process(*config.attach.pid);
  } else if (config.attach.netns) {
    target = NamespaceTarget::named(*config.attach.netns);
    check_file("netns", *config.attach.netns, target.path);
  }
  if (config.attach.userns) {
    check_file("userns", *config.attach.userns, *config.attach.userns);
    target.user_path = *config.attach.userns;
  }
  return target;
}

struct OpenedGuest
{
  Link::Device device;
  GuestAddresses addresses;
};

/// Opens what the configuration names as the guest. `watch` then tells of its end, if it is a
/// namespace.
OpenedGuest open_guest(const Config& config,
                       Narrator& narrator,
                       std::optional<NamespaceWatch>& watch)
{
  OpenedGuest guest;
  if (config.attach.fd) {
    guest.device = inherited_device(config);
    return guest;
  }
  try {
    const NamespaceTarget target = attach_target(config);
    if (config.attach.netns) {
      narrator.joining(*config.attach.netns);
    }
    watch.emplace(target);
    narrator.opening(config.network.interface);
    OpenedTap tap = open_guest_tap(target, tap_request(config, config.network.configure));
    guest.addresses = tap.addresses;
    guest.device = link_device(tap);
  } catch (const std::exception& error) {
    if (imitates_slirpnetstack(config)) {
      throw StartError(EXIT_INTERFACE, error.what());
    }
    throw;
  }
  return guest;
}

/// As nohup(1) leaves SIGHUP.
bool is_ignored(int number)
{
  struct sigaction action = {};
  return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

/// What tells the program to end, apart from its guest.
class Ending
{
public:
  Ending(const Config& config, Loop& loop, Session& session)
    : terminate_(loop, SIGTERM, [&loop] { loop.stop(); })
    , interrupt_(loop, SIGINT, [&loop] { loop.stop(); })
  {
    if (config.egress.rules_file) { // what daemons do on it
      hang_up_.emplace(loop, SIGHUP, [&session] { session.reload_rules(); });
    } else if (!is_ignored(SIGHUP)) {
      hang_up_.emplace(loop, SIGHUP, [&loop] { loop.stop(); });
    }
    if (config.lifecycle.exit_fd) {
      exit_watch_.emplace(loop, *config.lifecycle.exit_fd, [&loop] { loop.stop(); });
    }
  }

private:
  Signal terminate_;
  Signal interrupt_;
  std::optional<Signal> hang_up_;
  std::optional<Watch> exit_watch_;
};

void tell_ready(const Config& config)
{
  if (const auto number = config.lifecycle.ready_fd) {
    const FileDescriptor ready(*number);
    if (::write(ready.get(), "1\n", 2) < 0) { // whoever waited no longer does; the guest still runs
      log(LogLevel::warning, "-ready-fd could not be told", {{"reason", last_error().message()}});
    }
  }
}

/// Null when none was asked for.
std::unique_ptr<FrameLog> open_capture(const Config& config, bool is_ethernet)
{
  if (!config.output.pcap) {
    return nullptr;
  }
  try {
    if (imitates_slirpnetstack(config)) {
      return std::make_unique<RawCapture>(*config.output.pcap, is_ethernet);
    }
    return std::make_unique<Capture>(*config.output.pcap, is_ethernet);
  } catch (const std::system_error& error) {
    throw StartError(EXIT_CAPTURE, fmt::format("cannot {}", error.what()));
  }
}

/// The first address of the name, of that family. Throws StartError.
IpAddress look_up_source(Loop& loop,
                         NameResolver& names,
                         Config::Manner manner,
                         const HostName& name,
                         Family family)
{
  const LookupAnswer answer = resolve_now(loop, names, name);
  const auto found = std::ranges::find(answer.addresses, family, &IpAddress::family);
  if (found != answer.addresses.end()) {
    return *found;
  }
  const bool is_ipv4 = family == Family::ipv4;
  const std::string reason
    = answer.error.empty() ? fmt::format("it has no IPv{} address", is_ipv4 ? 4 : 6) : answer.error;
  const std::string_view flag = is_ipv4 ? "source-ipv4" : "source-ipv6";
  throw StartError(EXIT_USAGE,
                   manner == Config::Manner::slirpnetstack && !answer.error.empty()
                     ? reason
                     : invalid_value(name.name, flag, reason).what());
}

/// The configuration with the names of its source addresses looked up.
Config with_sources(const Config& config, Loop& loop, NameResolver& names)
{
  Config known = config;
  if (const auto& name = config.egress.source_name_ipv4) {
    known.egress.source_ipv4 = look_up_source(loop, names, config.manner, *name, Family::ipv4);
  }
  if (const auto& name = config.egress.source_name_ipv6) {
    known.egress.source_ipv6 = look_up_source(loop, names, config.manner, *name, Family::ipv6);
  }
  check_sources(known);
  return known;
}

} // namespace

int serve_namespace(const Config& asked, pid_t parent, Narrator& narrator)
{
  if (asked.lifecycle.exit_with_parent) {
    exit_with_parent(parent);
  }
  ::signal(SIGPIPE, SIG_IGN);
  Loop loop;
  Resolver names(loop, asked.forwarding.dns_ttl);
  const Config config = with_sources(asked, loop, names);
  std::optional<NamespaceWatch> watch;
  OpenedGuest guest = open_guest(config, narrator, watch);
  if (imitates_slirpnetstack(config)) {
    guest.device.our_mac = SLIRPNETSTACK_MAC;
  }
  const bool is_ethernet = guest.device.is_ethernet;
  const std::size_t max_flows = flow_limit(config);
  const std::unique_ptr<FrameLog> capture = open_capture(config, is_ethernet);
  Session session(
    config, loop, names, narrator, std::move(guest.device), guest.addresses, max_flows);
  session.set_frame_log(capture.get());
  const Ending ending(config, loop, session);
  std::optional<Watch> gone;
  if (watch && watch->fd() >= 0) {
    gone.emplace(loop, watch->fd(), [&] {
      if (watch->gone()) {
        log(LogLevel::info, "the guest's namespace is gone");
        loop.stop();
      }
    });
  }
  session.set_up(config);
  session.start();
  tell_ready(config);
  narrator.started(max_flows);
  if (imitates_slirpnetstack(config)) {
    session.announce();
    ::kill(parent, SIGWINCH); // its sign that it has started
  }
  loop.run();
  narrator.closing();
  session.close_all();
  session.log_losses();
  return EXIT_SUCCESS;
}

int serve_command(const Config& asked, pid_t parent, Narrator& narrator)
{
  if (asked.lifecycle.exit_with_parent) {
    exit_with_parent(parent);
  }
  GuestCommand command(asked.command.empty() ? default_command(::getenv("SHELL")) : asked.command);
  ::signal(SIGPIPE, SIG_IGN);
  OpenedTap tap = open_guest_tap(command.target(), tap_request(asked, true));
  const std::vector<IpAddress> servers = dns_servers(asked, tap.addresses);
  const GuestAddresses addresses = tap.addresses;
  Loop loop;
  Resolver names(loop, asked.forwarding.dns_ttl);
  const Config config = with_sources(asked, loop, names);
  const std::unique_ptr<FrameLog> capture = open_capture(config, tap.is_tap);
  Session session(config, loop, names, narrator, link_device(tap), addresses, flow_limit(config));
  session.set_frame_log(capture.get());
  session.set_up(config);
  session.start();
  // The terminal's signals reach the command by themselves; ours go to it as well.
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGQUIT, SIG_IGN);
  const auto pass_on = [&](int number) {
    if (command.exit_status()) { // what it has sent is being delivered: no longer
      loop.stop();
    } else {
      command.signal(number);
    }
  };
  const Signal terminate(loop, SIGTERM, [&] { pass_on(SIGTERM); });
  std::optional<Signal> hang_up;
  if (!is_ignored(SIGHUP)) {
    hang_up.emplace(loop, SIGHUP, [&] { pass_on(SIGHUP); });
  }
  Timer patience(loop, [&] { loop.stop(); }); // the command is killed then
  std::optional<Watch> exit_watch;
  if (config.lifecycle.exit_fd) {
    exit_watch.emplace(loop, *config.lifecycle.exit_fd, [&] {
      command.signal(SIGTERM);
      patience.set(Loop::now() + EXIT_PATIENCE);
      exit_watch.reset(); // it stays readable
    });
  }
  std::optional<Signal> interrupt;
  std::optional<Watch> ended;
  ended.emplace(loop, command.fd(), [&] {
    interrupt.emplace(loop, SIGINT, [&] { loop.stop(); });
    session.stop_when_delivered();
    ended.reset(); // it stays readable
  });
  command.start(resolv_conf_text(servers, read_host_resolv_conf()));
  tell_ready(config);
  loop.run();
  session.close_all();
  session.log_losses();
  return command.exit_status().value_or(EXIT_FAILURE);
}

} // namespace slirpstack
