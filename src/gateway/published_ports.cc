#include "gateway/published_ports.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "gateway/forward_error.hh"
#include "wire/ip.hh"
#include "wire/protocol_name.hh"

#include <cerrno>
#include <fmt/format.h>
#include <string>
#include <system_error>

namespace slirpstack {

namespace {

std::string text_of(const PublishedPort& port)
{
  return fmt::format("{}://{}", protocol_name(port.protocol), port.external.to_string());
}

/// Throws UsageError where it takes a socket.
PublishedPort port_of(const LocalForward& forward)
{
  const Endpoint& external = std::get<Endpoint>(forward.listen.address);
  const bool is_plain
    = forward.scheme == ForwardScheme::tcp || forward.scheme == ForwardScheme::udp;
  if (!is_plain || !forward.listen.device.empty() || external.port == 0
      || forward.targets.size() != 1) {
    throw UsageError(fmt::format("{} is an address of the NAT, not of the host: there only tcp and "
                                 "udp can be forwarded, from one port to one of the guest",
                                 external.address.to_string()));
  }
  PublishedPort port{scheme_protocol(forward.scheme), external, forward.targets.front()};
  if (port.guest.port == 0) {
    port.guest.port = external.port;
  }
  return port;
}

int error_of(PublishAnswer answer)
{
  switch (answer) {
    case PublishAnswer::not_a_guest:
      return EADDRNOTAVAIL;
    case PublishAnswer::no_room:
      return ENOSPC;
    default:
      return EADDRINUSE;
  }
}

[[noreturn]] void throw_not_published(PublishAnswer answer, const PublishedPort& port)
{
  const bool is_external = answer == PublishAnswer::taken || answer == PublishAnswer::no_room;
  throw ForwardError(
    error_of(answer),
    std::generic_category(),
    is_external
      ? fmt::format("publish {}", text_of(port))
      : fmt::format("publish {} of the guest at {}", port.guest.to_string(), text_of(port)));
}

} // namespace

/// What is published goes with the publisher, or is left to its successor.
PublishedPorts::~PublishedPorts() = default;

bool PublishedPorts::is_about(const LocalForward& forward) const
{
  const auto* const bind = std::get_if<Endpoint>(&forward.listen.address);
  return publisher_ != nullptr && bind != nullptr && publisher_->has_address(bind->address);
}

bool PublishedPorts::may_be_open(const PublishedPort& port) const
{
  return policy_.admits_everyone(
    {.direction = FlowDirection::in, .protocol = port.protocol, .destination = port.guest});
}

void PublishedPorts::open(const LocalForward& forward, std::uint32_t forward_id)
{
  const PublishedPort port = port_of(forward);
  if (!may_be_open(port)) {
    throw UsageError(fmt::format("{} cannot be published: the NAT asks nobody about a client, and "
                                 "a rule denies or limits some",
                                 text_of(port)));
  }
  publish(port);
  entries_.emplace(forward_id, Entry{port});
}

void PublishedPorts::publish(const PublishedPort& port)
{
  const PublishAnswer answer = publisher_->publish(port, time_.now);
  if (answer != PublishAnswer::published) {
    throw_not_published(answer, port);
  }
}

void PublishedPorts::close(std::uint32_t forward_id)
{
  const auto [first, end] = entries_.equal_range(forward_id);
  for (auto entry = first; entry != end; ++entry) {
    if (entry->second.is_open) {
      withdraw(entry->second);
    }
  }
  entries_.erase(first, end);
}

void PublishedPorts::review()
{
  for (auto& [forward, entry] : entries_) {
    const bool may_be = may_be_open(entry.port);
    if (entry.is_open && !may_be) {
      log(LogLevel::warning,
          "a port of the NAT is closed while a rule denies or limits clients there",
          {{"forward", forward}, {"port", text_of(entry.port)}});
      withdraw(entry);
    } else if (!entry.is_open && may_be) {
      open_again(entry);
    }
  }
}

void PublishedPorts::withdraw(Entry& entry)
{
  entry.is_open = false;
  try {
    publisher_->withdraw(entry.port, time_.now);
  } catch (const std::system_error& error) {
    log(LogLevel::error,
        "a port of the NAT cannot be closed",
        {{"port", text_of(entry.port)}, {"reason", error.what()}});
  }
}

void PublishedPorts::open_again(Entry& entry)
{
  try {
    publish(entry.port);
    entry.is_open = true;
  } catch (const std::system_error& error) {
    log(LogLevel::warning, "a port of the NAT cannot be opened again", {{"reason", error.what()}});
  }
}

} // namespace slirpstack
