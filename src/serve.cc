#include "serve.hh"

#include "base/error.hh"
#include "base/interrupted.hh"
#include "base/log.hh"
#include "ending.hh"
#include "face/exit_status.hh"
#include "face/narrator.hh"
#include "face/options.hh"
#include "guest/capture.hh"
#include "guest/guest_command.hh"
#include "guest/namespace_watch.hh"
#include "guest/parent_death.hh"
#include "guest/raw_capture.hh"
#include "guest/resolv_conf.hh"
#include "host/resolver.hh"
#include "opened_guest.hh"
#include "session.hh"
#include "start_names.hh"

#include <algorithm>
#include <csignal>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <unistd.h>
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
  return static_cast<std::size_t>(
    std::min<std::uint64_t>(config.limits.max_flows.value_or(DEFAULT_MAX_FLOWS), possible));
}

bool imitates_slirpnetstack(const Config& config)
{
  return config.manner == Config::Manner::slirpnetstack;
}

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
    throw StartError(EXIT_CAPTURE, error.what());
  }
}

/// The resolv.conf of a command in such a guest.
std::string guest_resolv_conf(const GuestAddresses& guest)
{
  std::vector<IpAddress> servers;
  for (const auto& own : {guest.ipv4, guest.ipv6}) {
    if (own) {
      servers.push_back(own->dns());
    }
  }
  return resolv_conf_text(servers, read_host_resolv_conf());
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
  session.set_up(config);
  session.start();
  ending.on_start();
  std::optional<Watch> ended;
  ended.emplace(loop, command.fd(), [&] {
    ending.on_command_ended();
    session.stop_when_delivered();
    ended.reset(); // it stays readable
  });
  command.start(guest_resolv_conf(guest.addresses));
  tell_ready(config);
  loop.run();
  session.close_all();
  session.log_losses();
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
  std::optional<NamespaceWatch> watch;
  OpenedGuest guest = open_guest(config, narrator, watch);
  const bool is_ethernet = guest.device.is_ethernet;
  const std::size_t max_flows = flow_limit(config);
  const std::unique_ptr<FrameLog> capture = open_capture(config, is_ethernet);
  Session session(
    config, loop, names, narrator, std::move(guest.device), guest.addresses, max_flows);
  session.set_frame_log(capture.get());
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
  ending.reload_by([&session] { session.reload_rules(); });
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
  Loop loop;
  CommandEnding ending(asked, loop, command);
  try {
    serve(command, ending, asked, loop, narrator);
  } catch (const Interrupted& early) {
    log(LogLevel::info, early.what());
    return ending.status_before_start();
  }
  return command.exit_status().value_or(EXIT_FAILURE);
}

} // namespace slirpstack
