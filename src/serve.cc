#include "serve.hh"

#include "acceleration.hh"
#include "base/error.hh"
#include "base/interrupted.hh"
#include "base/log.hh"
#include "ending.hh"
#include "guest/guest_command.hh"
#include "guest/parent_death.hh"
#include "guest/resolv_conf.hh"
#include "host/resolver.hh"
#include "kept_resolv_conf.hh"
#include "opened_guest.hh"
#include "served_addresses.hh"
#include "served_guest.hh"
#include "session.hh"
#include "start_names.hh"

#include <algorithm>
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
// awaited, of control and metrics clients, and of the lookups of rules' names.
constexpr std::uint64_t RESERVED_DESCRIPTORS = 64 + 256 + 128 + 96 + 64;

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

/// Begins the command and serves it to its end. Throws Interrupted where it has not begun.
void serve(GuestCommand& command,
           CommandEnding& ending,
           const Config& asked,
           Loop& loop,
           Narrator& narrator)
{
  OpenedGuest guest = open_guest(asked, command);
  Resolver names(loop, asked.forwarding.dns_ttl);
  const Config config = with_names(asked, loop, names);
  const std::unique_ptr<FrameLog> capture = open_capture(config, guest.device.is_ethernet);
  Session session(
    config, loop, names, narrator, std::move(guest.device), guest.addresses, flow_limit(config));
  session.set_frame_log(capture.get());
  session.follow_mtu(std::move(guest.mtu_news));
  session.set_up(config);
  session.start([&session] { session.close_all(); }); // the command decides when it has ended
  ending.on_start();
  std::optional<Watch> ended;
  ended.emplace(loop, command.fd(), [&] {
    ending.on_command_ended();
    session.stop_when_delivered();
    ended.reset(); // it stays readable
  });
  const auto resolv_conf = [&] {
    return resolv_conf_text(dns_servers(config, guest.addresses), read_host_resolv_conf());
  };
  const KeptResolvConf kept(loop, command.pid(), resolv_conf);
  command.start(resolv_conf());
  tell_ready(config);
  loop.run();
  session.close_all();
  session.log_losses();
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

void close_all(std::list<ServedGuest>& guests)
{
  for (ServedGuest& guest : guests) {
    guest.session().close_all();
    guest.session().log_losses();
  }
}

} // namespace

int serve_namespace(const Config& asked, pid_t parent, Narrator& narrator)
{
  if (asked.lifecycle.exit_with_parent) {
    exit_with_parent(parent);
  }
  ::signal(SIGPIPE, SIG_IGN);
  Loop loop;
  Ending ending(asked, loop);
  Resolver names(loop, asked.forwarding.dns_ttl);
  const Config config = with_names(asked, loop, names);
  const std::unique_ptr<Acceleration> acceleration = start_acceleration(config, loop);
  const std::size_t max_flows = flow_limit(config);
  std::list<ServedGuest> guests;
  for (const Config& each : guest_configs(config)) {
    guests.emplace_back(
      each, loop, names, narrator, acceleration.get(), max_flows / guest_count(config));
  }
  for (ServedGuest& guest : guests) {
    guest.set_up();
  }
  ending.reload_by([&guests] {
    for (ServedGuest& guest : guests) {
      guest.session().reload_rules();
    }
  });
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
  if (config.imitates_slirpnetstack()) {
    guests.front().session().announce();
    ::kill(parent, SIGWINCH); // its sign that it has started
  }
  loop.run();
  narrator.closing();
  close_all(guests);
  return EXIT_SUCCESS;
}

int serve_command(const Config& asked, pid_t parent, Narrator& narrator)
{
  if (asked.lifecycle.exit_with_parent) {
    exit_with_parent(parent);
  }
  GuestCommand command(asked.command.empty() ? default_command(::getenv("SHELL")) : asked.command);
  ::signal(SIGPIPE, SIG_IGN);
  Loop loop;
  CommandEnding ending(asked, loop, command);
  try {
    serve(command, ending, asked, loop, narrator);
  } catch (const Interrupted& early) {
    log(LogLevel::info, early.what());
    return ending.status_before_start();
  }
  return command.end();
}

} // namespace slirpstack
