#include "serve.hh"

#include "acceleration.hh"
#include "base/error.hh"
#include "base/log.hh"
#include "ending.hh"
#include "face/exit_status.hh"
#include "face/options.hh"
#include "guest/guest_command.hh"
#include "guest/parent_death.hh"
#include "guest/resolv_conf.hh"
#include "host/resolver.hh"
#include "served_guest.hh"
#include "session.hh"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fmt/format.h>
#include <list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

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
  return static_cast<std::size_t>(
    std::min<std::uint64_t>(config.limits.max_flows.value_or(DEFAULT_MAX_FLOWS), possible));
}

/// The first address of the name, of that family. Throws StartError.
IpAddress look_up_source(Loop& loop, NameResolver& names, const HostName& name, Family family)
{
  const LookupAnswer answer = resolve_now(loop, names, name);
  const auto found = std::ranges::find(answer.addresses, family, &IpAddress::family);
  if (found == answer.addresses.end()) {
    throw StartError(EXIT_USAGE,
                     answer.error.empty()
                       ? fmt::format("source \"{}\" has no address of that family", name.name)
                       : answer.error);
  }
  return *found;
}

/// The configuration with the names of its source addresses looked up.
Config with_sources(const Config& config, Loop& loop, NameResolver& names)
{
  Config known = config;
  if (const auto& name = config.egress.source_name_ipv4) {
    known.egress.source_ipv4 = look_up_source(loop, names, *name, Family::ipv4);
  }
  if (const auto& name = config.egress.source_name_ipv6) {
    known.egress.source_ipv6 = look_up_source(loop, names, *name, Family::ipv6);
  }
  check_sources(known);
  return known;
}

/// Null, after a line that says why, where there is none: the user-mode stack does without.
std::unique_ptr<Acceleration> start_acceleration(const Config& config, Loop& loop)
{
  if (!config.acceleration.hook) {
    return nullptr;
  }
  try {
    return Acceleration::start(config, loop);
  } catch (const AccelerationUnavailable& reason) {
    log(LogLevel::warning,
        "no accelerator: the user-mode stack does it all",
        {{"reason", reason.what()}});
    return nullptr;
  }
}

std::size_t guest_count(const Config& config)
{
  return 1 + config.attach.further_netns.size();
}

/// What is asked for each of the guests.
std::vector<Config> guest_configs(const Config& config)
{
  std::vector<Config> configs(guest_count(config), config);
  if (configs.size() == 1) {
    return configs;
  }
  constexpr std::uint64_t LEAST_BYTES = 1 << 20;
  for (std::size_t i = 0; i < configs.size(); ++i) {
    Config& each = configs[i];
    if (i > 0) {
      each.attach.netns = config.attach.further_netns[i - 1];
    }
    each.attach.further_netns.clear();
    each.limits.max_memory_bytes
      = std::max(LEAST_BYTES, config.limits.max_memory_bytes / configs.size());
    if (config.control.socket) {
      each.control.socket = fmt::format("{}.{}", *config.control.socket, i + 1);
    }
  }
  return configs;
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
  const std::unique_ptr<Acceleration> acceleration = start_acceleration(config, loop);
  const std::size_t max_flows = flow_limit(config);
  std::list<ServedGuest> guests;
  const auto close_all = [&] {
    for (ServedGuest& guest : guests) {
      guest.session().close_all();
      guest.session().log_losses();
    }
  };
  for (const Config& each : guest_configs(config)) {
    guests.emplace_back(
      each, loop, names, narrator, acceleration.get(), max_flows / guest_count(config));
  }
  const Ending ending(config, loop, [&] {
    for (ServedGuest& guest : guests) {
      guest.session().reload_rules();
    }
  });
  for (ServedGuest& guest : guests) {
    guest.set_up();
  }
  if (acceleration) {
    acceleration->complete();
  }
  std::vector<ServedGuest*> gone;
  Timer farewell(loop, [&] {
    for (ServedGuest* const each : std::exchange(gone, {})) {
      guests.remove_if([&](const ServedGuest& guest) { return &guest == each; });
    }
  });
  for (ServedGuest& guest : guests) {
    guest.start([&] {
      if (std::ranges::find(gone, &guest) == gone.end()) {
        gone.push_back(&guest);
      }
      if (gone.size() == guests.size()) {
        loop.stop(); // nobody is left
      } else {
        farewell.set(Loop::now());
      }
    });
  }
  tell_ready(config);
  narrator.started(max_flows);
  if (imitates_slirpnetstack(config)) {
    guests.front().session().announce();
    ::kill(parent, SIGWINCH); // its sign that it has started
  }
  loop.run();
  narrator.closing();
  close_all();
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
  std::vector<IpAddress> servers;
  if (tap.addresses.ipv4) {
    servers.push_back(tap.addresses.ipv4->dns());
  }
  if (tap.addresses.ipv6) {
    servers.push_back(tap.addresses.ipv6->dns());
  }
  const GuestAddresses addresses = tap.addresses;
  Loop loop;
  Resolver names(loop, asked.forwarding.dns_ttl);
  const Config config = with_sources(asked, loop, names);
  const std::unique_ptr<FrameLog> capture = open_capture(config, tap.is_tap);
  Session session(config, loop, names, narrator, link_device(tap), addresses, flow_limit(config));
  session.set_frame_log(capture.get());
  session.set_up(config);
  session.start([&loop] { loop.stop(); });
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
