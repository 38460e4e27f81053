#include "face/slirpnetstack_lines.hh"

#include "base/log.hh"
#include "wire/protocol_name.hh"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <unistd.h>

namespace slirpstack {

namespace {

/// Go writes errors in lower case.
std::string lower(std::string text)
{
  std::ranges::transform(text, text.begin(), [](unsigned char letter) {
    return static_cast<char>(std::tolower(letter));
  });
  return text;
}

std::string result_text(const EndResult& result)
{
  return result.ended && result.error ? lower(result.error.message()) : result.to_string();
}

/// `l=[EOF]/0 r=EOF/0`: read and write of the initiator and of the target, the first in brackets.
std::string ends_text(const FlowEnd& end)
{
  const auto part = [&](FlowEnd::Part which) {
    const std::string text = result_text(end.results[which]);
    return end.first == which ? fmt::format("[{}]", text) : text;
  };
  return fmt::format("l={}/{} r={}/{}",
                     part(FlowEnd::initiator_read),
                     part(FlowEnd::initiator_write),
                     part(FlowEnd::target_read),
                     part(FlowEnd::target_write));
}

std::string text_of(const std::optional<Endpoint>& endpoint)
{
  return endpoint ? endpoint->to_string() : "unix";
}

std::string text_of(const std::optional<StreamAddress>& address)
{
  return address ? to_string(*address) : "unknown";
}

/// What a forward leads to, as it was typed.
std::string target_text(const ForwardSpec& spec)
{
  const auto* place = std::get_if<ForwardSpec::Place>(&spec.targets.front());
  if (place == nullptr) {
    return to_string(StreamAddress(std::get<UnixPath>(spec.targets.front())));
  }
  const std::uint16_t port = place->ports ? place->ports->first : 0;
  if (const auto* address = std::get_if<IpAddress>(&place->host)) {
    return Endpoint{*address, port}.to_string();
  }
  const auto* name = std::get_if<HostName>(&place->host);
  return fmt::format("{}:{}", name != nullptr ? name->to_string() : "", port);
}

void print_error(const std::string& line)
{
  write_without_waiting(STDERR_FILENO, line + '\n');
}

} // namespace

void SlirpnetstackLines::say(const std::string& line) const
{
  if (!quiet_) {
    write_without_waiting(STDOUT_FILENO, line + '\n');
  }
}

void SlirpnetstackLines::metrics_running(const StreamAddress& address)
{
  print_error(fmt::format("[ ] #{} Running metrics on {}", ::getpid(), to_string(address)));
}

void SlirpnetstackLines::joining(std::string_view netns)
{
  print_error(fmt::format("[.] Joininig netns {}", netns)); // as it is spelled there
}

void SlirpnetstackLines::opening(std::string_view interface)
{
  print_error(fmt::format("[.] Opening tun interface {}", interface));
}

void SlirpnetstackLines::started(std::size_t)
{
  print_error(fmt::format("[+] #{} Slirpnetstack started", ::getpid()));
}

void SlirpnetstackLines::closing()
{
  print_error(fmt::format("[-] #{} Slirpnetstack closing", ::getpid()));
}

void SlirpnetstackLines::failed(std::string_view what)
{
  print_error(fmt::format("[!] {}", what));
}

void SlirpnetstackLines::forwarding(const ForwardNews& forward)
{
  forwards_[forward.id] = forward.spec;
  const std::string protocol = protocol_name(scheme_protocol(forward.spec.scheme));
  const bool has_header
    = forward.spec.scheme == ForwardScheme::tcppp || forward.spec.scheme == ForwardScheme::udpspp;
  for (const StreamAddress& address : forward.listening) {
    say(fmt::format("[+] local-fwd Local {}listen {}://{}",
                    has_header ? "PP " : "",
                    protocol,
                    to_string(address)));
  }
  for (const Endpoint& match : forward.matching) {
    say(fmt::format("[+] Accepting on remote side {}://{}:{}",
                    protocol,
                    match.address.to_string(), // without brackets, as it is there
                    match.port));
  }
}

bool SlirpnetstackLines::is_proxied(const Relay& relay) const
{
  const auto found = forwards_.find(relay.record().forward);
  return found != forwards_.end()
         && (found->second.scheme == ForwardScheme::tcppp
             || found->second.scheme == ForwardScheme::udpspp);
}

std::string_view SlirpnetstackLines::kind_of(const Relay& relay) const
{
  switch (relay.record().origin) {
    case FlowOrigin::remote_forward:
      return "remote-fwd conn";
    case FlowOrigin::local_forward:
      return is_proxied(relay) ? "local-fwd PP" : "local-fwd";
    case FlowOrigin::outbound:
    case FlowOrigin::service:
      break;
  }
  return "Routing conn";
}

std::string SlirpnetstackLines::names_of(const Relay& relay) const
{
  const FlowKey& key = relay.key();
  const std::string protocol = protocol_name(key.protocol);
  if (relay.record().origin == FlowOrigin::local_forward) {
    return fmt::format("{}://{}-{}/{}-{}",
                       protocol,
                       text_of(relay.host_remote()),
                       text_of(relay.host_local()),
                       key.remote.to_string(),
                       key.guest.to_string());
  }
  const std::string host
    = fmt::format("{}-{}", text_of(relay.host_local()), text_of(relay.host_remote()));
  if (relay.record().origin == FlowOrigin::remote_forward) {
    return fmt::format(
      "{}://{}-{}/{}", protocol, key.guest.to_string(), key.remote.to_string(), host);
  }
  return fmt::format("{}://{}/{}", protocol, key.guest.to_string(), host);
}

std::string SlirpnetstackLines::failed_names_of(const Relay& relay, bool lookup_failed) const
{
  const FlowKey& key = relay.key();
  const std::string protocol = protocol_name(key.protocol);
  const auto forward = forwards_.find(relay.record().forward);
  if (forward == forwards_.end() || relay.record().origin != FlowOrigin::remote_forward) {
    return fmt::format("{}://{}/{}", protocol, key.guest.to_string(), key.remote.to_string());
  }
  return fmt::format("{}://{}-{}/{}{}",
                     protocol,
                     key.guest.to_string(),
                     key.remote.to_string(),
                     target_text(forward->second),
                     lookup_failed ? "-failed" : "");
}

void SlirpnetstackLines::on_opened(const Relay& relay)
{
  const bool is_local = relay.record().origin == FlowOrigin::local_forward;
  const std::string& names = open_.insert_or_assign(&relay, names_of(relay)).first->second;
  const std::string_view kind = kind_of(relay);
  say(fmt::format("[+] {} {} {}", names, kind, is_local ? "conn" : "new"));
}

void SlirpnetstackLines::on_closed(const Relay& relay)
{
  const auto found = open_.find(&relay);
  say(fmt::format(
    "[-] {} {} done: {}", found->second, kind_of(relay), ends_text(relay.record().end)));
  open_.erase(found);
}

void SlirpnetstackLines::on_failed(const Relay& relay, std::string_view reason)
{
  const bool lookup_failed
    = reason.starts_with("lookup ") || reason.starts_with("Failed to lookup");
  const std::string names = failed_names_of(relay, lookup_failed);
  if (lookup_failed) {
    say(fmt::format("[!] {} remote-fwd dns lookup error of {} addr: {}",
                    names,
                    protocol_name(relay.key().protocol),
                    reason));
    return;
  }
  say(fmt::format(
    "[!] {} {} error: l=0/0 r=[{}]/0", names, kind_of(relay), lower(std::string(reason))));
}

} // namespace slirpstack
