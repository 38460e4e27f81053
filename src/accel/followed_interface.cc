#include "accel/followed_interface.hh"

#include "accel/route_news.hh"
#include "base/error.hh"
#include "base/log.hh"

#include <fmt/format.h>
#include <utility>

namespace slirpstack {

FollowedInterface::FollowedInterface(const std::string& name, Role role)
  : name_(name), role_(std::move(role))
{
  link_ = look();
  if (link_.index == 0) {
    throw UsageError(fmt::format("invalid value \"{}\" for flag {}: there is no Ethernet interface "
                                 "of that name",
                                 name,
                                 role_.flag));
  }
}

ExternalLink FollowedInterface::ask(RouteRequest& request)
{
  ExternalLink found;
  const std::error_code error = reader_.transact(request, [&](const nlmsghdr& message) {
    found = parse_external_link(message).value_or(found);
  });
  if (error && error != std::errc::no_such_device) {
    throw std::system_error(error, fmt::format("look {} up", name_));
  }
  return found;
}

ExternalLink FollowedInterface::look()
{
  if (link_.index != 0) {
    RouteRequest request(RTM_GETLINK, NLM_F_ACK);
    auto& body = request.body<ifinfomsg>();
    body.ifi_family = AF_UNSPEC;
    body.ifi_index = static_cast<int>(link_.index);
    if (ExternalLink same = ask(request); same.index != 0) {
      return same;
    }
  }
  RouteRequest request(RTM_GETLINK, NLM_F_ACK);
  request.body<ifinfomsg>().ifi_family = AF_UNSPEC;
  request.put(IFLA_IFNAME, name_);
  return ask(request);
}

void FollowedInterface::attach()
{
  if (!std::exchange(is_attached_, true)) {
    role_.attach(link_);
  }
}

bool FollowedInterface::follow()
{
  const ExternalLink seen = look();
  if (seen.index == link_.index) {
    note_name(seen);
    link_ = seen;
    return true;
  }
  if (link_.index != 0) {
    leave(seen.index != 0);
  }
  return seen.index == 0 || move_to(seen);
}

void FollowedInterface::note_name(const ExternalLink& seen)
{
  if (seen.index != 0 && seen.name != name_) {
    log(LogLevel::warning,
        "an interface has another name now, and is followed",
        {{"interface", role_.name}, {"was", name_}, {"is", seen.name}});
    name_ = seen.name;
  }
}

void FollowedInterface::leave(bool is_replaced)
{
  if (!is_replaced) {
    log(LogLevel::warning,
        "an interface is gone: the kernel carries nothing by it until it is back",
        {{"interface", role_.name}, {"name", name_}});
  }
  role_.detach(std::exchange(link_, {}));
  is_attached_ = false;
}

bool FollowedInterface::move_to(const ExternalLink& seen)
{
  try {
    role_.attach(seen);
  } catch (const std::system_error& error) {
    if (std::exchange(refused_by_, seen.index) != seen.index) {
      log(LogLevel::warning,
          "an interface is back, but the programs cannot be on it",
          {{"interface", role_.name}, {"name", name_}, {"reason", error.what()}});
    }
    role_.detach(seen);
    return false;
  }
  is_attached_ = true;
  link_ = seen;
  log(LogLevel::warning,
      "an interface is back, and the kernel carries on by it",
      {{"interface", role_.name}, {"name", name_}});
  return true;
}

} // namespace slirpstack
