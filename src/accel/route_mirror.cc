#include "accel/route_mirror.hh"

#include "accel/nat_plan.hh"
#include "accel/route_news.hh"
#include "base/error.hh"
#include "base/log.hh"

#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <iterator>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <vector>

namespace slirpstack {

namespace {

// As HostRoutes: an interface that comes up changes dozens of routes at once.
constexpr std::chrono::milliseconds SETTLE_TIME(50);
constexpr std::chrono::seconds RETRY_TIME(1);
// A guest may send to any number of addresses that nobody has; the kernel's own table is bounded
// too, but what fills it would push out others.
constexpr std::size_t MAX_ASKED_A_SECOND = 64;
constexpr std::size_t MESSAGE_BYTES = 32768;
constexpr int MESSAGES_AT_ONCE = 64;

FileDescriptor open_changes()
{
  FileDescriptor socket(
    system_call("open an rtnetlink socket",
                ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE | RTMGRP_IPV4_IFADDR;
  system_call("bind an rtnetlink socket",
              ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  return socket;
}

nat_route_key key_of(const Prefix& prefix)
{
  return {prefix.length_bits(), map_address(prefix.network())};
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
                         const std::string& external,
                         const WayTable::Settings& settings)
  : external_(external)
  , table_(settings)
  , routes_(object.map("routes"))
  , exempt_(object.map("exempt"))
  , changes_(open_changes())
  , settled_(loop, [this] { read_all(); })
  , watch_(loop, changes_.get(), [this] { note_changes(); })
{
  read_link();
  if (link_.index == 0) {
    throw UsageError(fmt::format("invalid value \"{}\" for flag -external: there is no Ethernet "
                                 "interface of that name",
                                 external));
  }
  routes_.clear(); // of a predecessor, whose maps were pinned
  exempt_.clear();
  read_all();
  refresh_gateways();
}

RouteMirror::~RouteMirror() = default;

void RouteMirror::read_link()
{
  RouteRequest request(RTM_GETLINK, NLM_F_ACK);
  request.body<ifinfomsg>().ifi_family = AF_UNSPEC;
  request.put(IFLA_IFNAME, external_);
  link_ = {};
  const std::error_code error = reader_.transact(request, [this](const nlmsghdr& message) {
    link_ = parse_external_link(message).value_or(link_);
  });
  if (error != std::errc::no_such_device) {
    check(error, "look the external interface up");
  }
  table_.set_link(link_);
}

void RouteMirror::read_neighbours()
{
  RouteRequest request(RTM_GETNEIGH, NLM_F_DUMP);
  request.body<ndmsg>().ndm_family = AF_INET;
  table_.clear_neighbours();
  const std::error_code error = reader_.transact(request, [this](const nlmsghdr& message) {
    if (const auto news = parse_neighbour(message, link_.index)) {
      table_.set_neighbour(news->address, news->mac);
    }
  });
  check(error, "read the host's neighbours");
}

void RouteMirror::read_all()
{
  try {
    read_link();
    read_neighbours();
    RouteRequest request(RTM_GETROUTE, NLM_F_DUMP);
    request.body<rtmsg>().rtm_family = AF_INET;
    std::vector<HostRoute> routes;
    const std::error_code error = reader_.transact(request, [&](const nlmsghdr& message) {
      if (const auto route = parse_host_route(message)) {
        routes.push_back(*route);
      }
    });
    check(error, "read the host's routes");
    table_.set_routes(routes);
    apply();
  } catch (const std::system_error& error) {
    log(LogLevel::warning, "cannot follow the host's routes", {{"reason", error.what()}});
    settled_.set(Loop::now() + RETRY_TIME);
  }
}

void RouteMirror::note_changes()
{
  alignas(nlmsghdr) std::array<char, MESSAGE_BYTES> buffer; // filled by the kernel
  bool has_neighbours = false;
  bool is_other = false;
  for (int count = 0; count < MESSAGES_AT_ONCE; ++count) {
    const ssize_t length = ::recv(changes_.get(), buffer.data(), buffer.size(), 0);
    if (length < 0) {
      is_other = is_other || errno == ENOBUFS; // more changes than room to tell them
      if (errno == ENOBUFS) {
        continue;
      }
      break;
    }
    auto left = static_cast<int>(length);
    const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
    for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
      if (message->nlmsg_type != RTM_NEWNEIGH && message->nlmsg_type != RTM_DELNEIGH) {
        is_other = true;
      } else if (const auto news = parse_neighbour(*message, link_.index)) {
        table_.set_neighbour(news->address, news->mac);
        has_neighbours = true;
      }
    }
  }
  watch_.resume();
  if (has_neighbours) {
    apply();
  }
  if (is_other && settled_.deadline() == NEVER) {
    settled_.set(Loop::now() + SETTLE_TIME);
  }
}

void RouteMirror::apply_exempt(const std::set<Prefix>& exempt)
{
  const Prefix everything(IpAddress::any(Family::ipv4), 0);
  try {
    for (const Prefix& prefix : exempt) {
      if (!applied_exempt_.contains(prefix)) {
        exempt_.put(key_of(prefix), 1);
        applied_exempt_.insert(prefix);
      }
    }
  } catch (const std::system_error& error) {
    report_full("exempt: everything is left to the user-mode stack", error);
    if (!applied_exempt_.empty()) {
      exempt_.erase(key_of(*applied_exempt_.rbegin()));
      applied_exempt_.erase(std::prev(applied_exempt_.end()));
    }
    exempt_.put(key_of(everything), 1);
    applied_exempt_.insert(everything);
    return;
  }
  std::erase_if(applied_exempt_, [&](const Prefix& prefix) {
    return !exempt.contains(prefix) && (exempt_.erase(key_of(prefix)), true);
  });
}

void RouteMirror::apply()
{
  const auto ways = table_.ways();
  const auto exempt = table_.exempt();
  apply_exempt(exempt); // what is closed goes first
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
}

void RouteMirror::ask_kernel(const IpAddress& neighbour)
{
  RouteRequest request(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE);
  auto& body = request.body<ndmsg>();
  body.ndm_family = AF_INET;
  body.ndm_ifindex = static_cast<int>(link_.index);
  body.ndm_state = NUD_NONE;
  body.ndm_flags = NTF_USE; // as if a packet was to be sent there
  request.put(NDA_DST, neighbour.bytes());
  if (const std::error_code error = reader_.transact(request)) {
    log(LogLevel::debug,
        "cannot ask for a neighbour",
        {{"neighbour", neighbour.to_string()}, {"reason", error.message()}});
  }
}

void RouteMirror::resolve(const IpAddress& destination)
{
  const auto neighbour = table_.next_hop(destination);
  if (!neighbour) {
    return;
  }
  const TimePoint now = Loop::now();
  if (now - asked_since_ >= std::chrono::seconds(1)) {
    asked_.clear();
    asked_since_ = now;
  }
  if (asked_.size() < MAX_ASKED_A_SECOND && asked_.insert(neighbour->ipv4_value()).second) {
    ask_kernel(*neighbour);
  }
}

void RouteMirror::refresh_gateways()
{
  for (const IpAddress& gateway : table_.gateways()) {
    ask_kernel(gateway);
  }
}

} // namespace slirpstack
