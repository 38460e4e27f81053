#include "accel/route_mirror.hh"

#include "accel/nat_plan.hh"
#include "accel/neighbours.hh"
#include "accel/route_news.hh"
#include "base/error.hh"
#include "base/log.hh"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <utility>
#include <vector>

namespace slirpstack {

namespace {

// As HostRoutes: an interface that comes up changes dozens of routes at once.
constexpr std::chrono::milliseconds SETTLE_TIME(50);
constexpr std::chrono::seconds RETRY_TIME(1);
// A guest may send to any number of addresses that nobody has; the kernel's own table is bounded
// too, but what fills it would push out others.
constexpr std::size_t MAX_ASKED_A_SECOND = 64;
constexpr unsigned MAX_OF_ONE_A_SECOND = 16; // so that a guest leaves some to the others
// Who makes interfaces come and go has us read thousands of routes; most of the time is others'.
constexpr int READING_PART = 20;

const Prefix EVERYTHING(IpAddress::any(Family::ipv4), 0);

nat_route_key key_of(const Prefix& prefix)
{
  return {prefix.length_bits(), map_address(prefix.network())};
}

nat_route6_key key6_of(const Prefix& prefix)
{
  nat_route6_key key{};
  key.prefix_length = prefix.length_bits();
  std::ranges::copy(prefix.network().bytes(), std::begin(key.address));
  return key;
}

int number_of(Family family)
{
  return family == Family::ipv4 ? AF_INET : AF_INET6;
}

void check(std::error_code error, const char* attempt)
{
  if (error) {
    throw std::system_error(error, attempt);
  }
}

bool is_same(const nat_route& one, const nat_route& other)
{
  return std::memcmp(&one, &other, sizeof one) == 0; // a layout without padding
}

void report_full(const char* what, const std::system_error& error)
{
  log(LogLevel::warning,
      "not all of the host's routes fit into the accelerator",
      {{"map", what}, {"reason", error.what()}});
}

} // namespace

RouteMirror::RouteMirror(Loop& loop,
                         const NatObject& object,
                         Look look,
                         const WayTable::Settings& settings)
  : look_(std::move(look))
  , table_(settings)
  , routes_(object.map("routes"))
  , exempt_(object.map("exempt"))
  , routes6_(object.map("routes6"))
  , changes_(RouteEvents::open_socket(RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE
                                      | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_ROUTE
                                      | RTMGRP_IPV6_IFADDR))
  , settled_(loop, [this] { read_all(); })
  , watch_(loop, changes_.fd(), [this] { note_changes(); })
{
  routes_.clear(); // of a predecessor, whose maps were pinned
  exempt_.clear();
  routes6_.clear();
  read_all();
  refresh_gateways();
}

RouteMirror::~RouteMirror() = default;

std::vector<HostRoute> RouteMirror::read_routes(Family family)
{
  RouteRequest request(RTM_GETROUTE, NLM_F_DUMP);
  request.body<rtmsg>().rtm_family = static_cast<std::uint8_t>(number_of(family));
  std::vector<HostRoute> routes;
  const std::error_code error = reader_.transact(request, [&](const nlmsghdr& message) {
    if (const auto route = parse_host_route(message)) {
      routes.push_back(*route);
    }
  });
  check(error, "read the host's routes");
  return routes;
}

void RouteMirror::read_all()
{
  const TimePoint begin = Clock::now();
  try {
    const Outlook seen = look_();
    link_ = seen.link;
    table_.set_link(link_);
    table_.clear_neighbours();
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      read_neighbours(reader_, family, link_.index, [this](const NeighbourNews& news) {
        table_.set_neighbour(news.address, news.mac);
      });
    }
    std::vector<HostRoute> routes = read_routes(Family::ipv4);
    std::ranges::copy(read_routes(Family::ipv6), std::back_inserter(routes));
    table_.set_routes(routes);
    apply();
    complaint_.clear();
    if (!seen.is_settled) {
      settled_.set(Loop::now() + RETRY_TIME);
    }
  } catch (const std::system_error& error) {
    try_again(error.what());
  }
  reading_time_ = Clock::now() - begin;
}

void RouteMirror::try_again(const std::string& reason)
{
  if (std::exchange(complaint_, reason) != reason) {
    log(LogLevel::warning, "cannot follow the host's routes", {{"reason", reason}});
  }
  settled_.set(Loop::now() + RETRY_TIME);
}

void RouteMirror::note_changes()
{
  bool has_neighbours = false;
  bool is_other = false;
  const bool is_complete = changes_.read([&](const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWNEIGH && message.nlmsg_type != RTM_DELNEIGH) {
      is_other = true;
    } else if (const auto news = parse_neighbour(message, link_.index)) {
      table_.set_neighbour(news->address, news->mac);
      has_neighbours = true;
    }
  });
  watch_.resume();
  if (has_neighbours) {
    apply();
  }
  if ((is_other || !is_complete) && settled_.deadline() == NEVER) {
    settled_.set(Loop::now()
                 + std::max<Clock::duration>(SETTLE_TIME, READING_PART * reading_time_));
  }
}

bool RouteMirror::add_exempt(const std::set<Prefix>& exempt)
{
  try {
    for (const Prefix& prefix : exempt) {
      if (!applied_exempt_.contains(prefix)) {
        exempt_.put(key_of(prefix), NAT_EXEMPT);
        applied_exempt_.insert(prefix);
      }
    }
    return true;
  } catch (const std::system_error& error) {
    if (!is_closed_) {
      report_full("exempt: everything else is left to the user-mode stack, or dropped", error);
    }
    return false;
  }
}

void RouteMirror::erase_exempt(const std::set<Prefix>& but)
{
  std::erase_if(applied_exempt_, [&](const Prefix& prefix) {
    return !but.contains(prefix) && (exempt_.erase(key_of(prefix)), true);
  });
}

/// Nothing is translated, and nothing leaves, that might be for another interface.
void RouteMirror::close()
{
  if (std::exchange(is_closed_, true)) {
    return;
  }
  if (!applied_exempt_.empty()) { // room for it
    exempt_.erase(key_of(*applied_exempt_.rbegin()));
    applied_exempt_.erase(std::prev(applied_exempt_.end()));
  }
  exempt_.put(key_of(EVERYTHING), NAT_EXEMPT_UNKNOWN);
}

/// What is closed goes first. Where that does not fit, what is open no longer makes room.
void RouteMirror::apply_exempt(const std::set<Prefix>& exempt)
{
  bool fits = add_exempt(exempt);
  if (!fits) {
    close();
  }
  erase_exempt(exempt);
  fits = fits || add_exempt(exempt);
  if (fits && std::exchange(is_closed_, false)) {
    exempt_.erase(key_of(EVERYTHING));
    log(LogLevel::info, "the host's routes fit into the accelerator again");
  }
}

void RouteMirror::apply()
{
  const auto ways = table_.ways();
  const auto exempt = table_.exempt();
  apply_exempt(exempt);
  std::erase_if(applied_routes_, [&](const auto& entry) {
    return !ways.contains(entry.first) && (routes_.erase(key_of(entry.first)), true);
  });
  try {
    for (const auto& [prefix, way] : ways) {
      const auto old = applied_routes_.find(prefix);
      if (old == applied_routes_.end() || !is_same(old->second, way)) {
        routes_.put(key_of(prefix), way);
        applied_routes_[prefix] = way;
      }
    }
  } catch (const std::system_error& error) {
    report_full("routes", error);
  }
  apply_ipv6();
}

/// New entries first: without its own one a destination would go by that of a larger network. If
/// they do not fit, IPv6 is the user-mode stack's.
void RouteMirror::apply_ipv6()
{
  const auto ways = table_.ways6();
  try {
    for (const auto& [prefix, way] : ways) {
      const auto old = applied_routes6_.find(prefix);
      if (old == applied_routes6_.end() || !is_same(old->second, way)) {
        routes6_.put(key6_of(prefix), way);
        applied_routes6_[prefix] = way;
      }
    }
    std::erase_if(applied_routes6_, [&](const auto& entry) {
      return !ways.contains(entry.first) && (routes6_.erase(key6_of(entry.first)), true);
    });
  } catch (const std::system_error& error) {
    report_full("routes6: mapped IPv6 is left to the user-mode stack", error);
    routes6_.clear();
    applied_routes6_.clear();
  }
}

void RouteMirror::resolve(const IpAddress& destination, std::optional<Asker> asker)
{
  const TimePoint now = Loop::now();
  if (now - asked_since_ >= std::chrono::seconds(1)) {
    asked_.clear();
    asked_by_.clear();
    asked_since_ = now;
  }
  const auto neighbour = table_.next_hop(destination);
  if (!neighbour || asked_.contains(*neighbour)) {
    return;
  }
  // A gateway is everybody's, and there are few.
  if (*neighbour == destination
      && (asked_.size() >= MAX_ASKED_A_SECOND
          || (asker && ++asked_by_[*asker] > MAX_OF_ONE_A_SECOND))) {
    return;
  }
  asked_.insert(*neighbour);
  ask_for_neighbour(reader_, link_.index, *neighbour);
}

void RouteMirror::refresh_gateways()
{
  for (const IpAddress& gateway : table_.gateways()) {
    ask_for_neighbour(reader_, link_.index, gateway);
  }
}

} // namespace slirpstack
