#include "host/routes.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "host/route_message.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <utility>
#include <vector>

namespace slirpstack {

namespace {

// An interface that comes up changes dozens of addresses and routes at once: read them once.
constexpr std::chrono::milliseconds SETTLE_TIME{50};
constexpr std::chrono::seconds READ_AGAIN_TIME{1};
// Readings that somebody asks for take a twentieth of the time at most.
constexpr int READING_PART = 20;

// The kernel fills a dump's messages up to this size if it is offered (NLMSG_GOODSIZE's ceiling).
constexpr std::size_t MESSAGE_BYTES = 32768;

struct SocketClose
{
  void operator()(mnl_socket* socket) const noexcept { mnl_socket_close(socket); }
};
using NetlinkSocket = std::unique_ptr<mnl_socket, SocketClose>;

NetlinkSocket open_netlink(unsigned groups)
{
  NetlinkSocket socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket) {
    throw_system_error("open a netlink socket");
  }
  system_call("bind a netlink socket", mnl_socket_bind(socket.get(), groups, MNL_SOCKET_AUTOPID));
  return socket;
}

ByteView bytes_of(const nlmsghdr* header)
{
  return {reinterpret_cast<const std::uint8_t*>(header), header->nlmsg_len};
}

/// What a message says, if that is wanted.
std::optional<NetworkMessage> wanted_network(const nlmsghdr* header, bool with_routed)
{
  auto network = parse_route_message(bytes_of(header));
  if (network && network->kind == HostNetworks::Kind::routed_network && !with_routed) {
    return std::nullopt;
  }
  return network;
}

struct Reading
{
  HostNetworks networks;
  bool with_routed = false;
};

int add_network(const nlmsghdr* header, void* data)
{
  auto& reading = *static_cast<Reading*>(data);
  if (const auto network = wanted_network(header, reading.with_routed)) {
    reading.networks.add(network->kind, network->prefix);
  }
  return MNL_CB_OK;
}

struct Noting
{
  bool changed = false;
  bool with_routed = false;
};

/// Notes that a message is about a network, or, telling only the new route, about one replaced.
int note_network(const nlmsghdr* header, void* data)
{
  auto& noting = *static_cast<Noting*>(data);
  if (wanted_network(header, noting.with_routed) || (header->nlmsg_flags & NLM_F_REPLACE) != 0) {
    noting.changed = true;
  }
  return MNL_CB_OK;
}

void request_dump(mnl_socket* socket, std::uint16_t type, std::uint32_t sequence)
{
  alignas(nlmsghdr) std::array<char, 128> buffer{};
  nlmsghdr* header = mnl_nlmsg_put_header(buffer.data());
  header->nlmsg_type = type;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  header->nlmsg_seq = sequence;
  // All families: AF_UNSPEC is zero, as is the rest of rtmsg and ifaddrmsg.
  mnl_nlmsg_put_extra_header(header, std::max(sizeof(rtmsg), sizeof(ifaddrmsg)));
  system_call("ask for the host's routes", mnl_socket_sendto(socket, header, header->nlmsg_len));
}

/// One whole dump. The kernel writes the next part while this one is read, so it never blocks.
/// False when routes changed meanwhile, which leaves holes.
bool dump(mnl_socket* socket, std::uint16_t type, std::uint32_t sequence, Reading& reading)
{
  request_dump(socket, type, sequence);
  std::vector<char> buffer(MESSAGE_BYTES);
  for (;;) {
    const auto length = system_call("read the host's routes",
                                    mnl_socket_recvfrom(socket, buffer.data(), buffer.size()));
    const int status = mnl_cb_run(buffer.data(),
                                  static_cast<std::size_t>(length),
                                  sequence,
                                  mnl_socket_get_portid(socket),
                                  add_network,
                                  &reading);
    if (status < 0 && errno == EINTR) {
      return false;
    }
    if (system_call("read the host's routes", status) == MNL_CB_STOP) {
      return true;
    }
  }
}

/// `socket` is kept for the next reading: a guest that holds every descriptor must not be able to
/// keep us from learning what it may not reach.
HostNetworks read_networks(NetlinkSocket& socket, bool with_routed)
{
  constexpr int ATTEMPTS = 5;
  Reading reading;
  for (int attempt = 0; attempt < ATTEMPTS; ++attempt) {
    if (!socket) {
      socket = open_netlink(0);
    }
    NetlinkSocket used
      = std::move(socket); // closed, with the rest of its dump, unless it ends well
    reading = {{}, with_routed};
    if (dump(used.get(), RTM_GETADDR, 1, reading) && dump(used.get(), RTM_GETROUTE, 2, reading)) {
      socket = std::move(used);
      break;
    }
  }
  // Of a table that never holds still, what was seen; each change brings another reading.
  return reading.networks;
}

} // namespace

struct HostRoutes::State
{
  State(Loop& loop, bool include_routed)
    : with_routed(include_routed)
    , changes(open_netlink(RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE
                           | RTMGRP_IPV6_ROUTE))
    , networks(read_networks(reader, with_routed))
    , settled(loop, [this] { read_again(); })
    , watch(loop, mnl_socket_get_fd(changes.get()), [this] { note_changes(); })
  {}

  void note_changes();
  void read_again();

  bool with_routed;
  NetlinkSocket changes;
  NetlinkSocket reader;
  HostNetworks networks;
  std::function<void()> on_changed;
  TimePoint read_at{}; ///< when routes were last read again
  Clock::duration reading_time{};
  Timer settled;
  Watch watch;
};

void HostRoutes::State::note_changes()
{
  alignas(nlmsghdr) std::array<char, MESSAGE_BYTES> buffer; // filled by the kernel
  Noting noting{false, with_routed};
  // Bounded: a flood of changes must not keep the loop from its other work.
  for (int count = 0; count < 64; ++count) {
    const auto length = mnl_socket_recvfrom(changes.get(), buffer.data(), buffer.size());
    if (length < 0 && errno == EAGAIN) {
      break;
    }
    // ENOBUFS: the kernel had more changes than room to tell.
    if (length < 0
        || mnl_cb_run(buffer.data(), static_cast<std::size_t>(length), 0, 0, note_network, &noting)
             < 0) {
      noting.changed = true;
    }
  }
  watch.resume();
  if (noting.changed && settled.deadline() == NEVER) {
    settled.set(Loop::now() + SETTLE_TIME);
  }
}

void HostRoutes::State::read_again()
{
  try {
    const TimePoint begin = Clock::now();
    HostNetworks now_there = read_networks(reader, with_routed);
    read_at = Clock::now();
    reading_time = read_at - begin;
    if (now_there == networks) {
      return;
    }
    networks = std::move(now_there);
  } catch (const std::system_error& error) {
    log(LogLevel::warning, "the host's routes could not be read", {{"reason", error.what()}});
    settled.set(Loop::now() + READ_AGAIN_TIME); // policy must not stay with what was there before
    return;
  }
  if (on_changed) {
    on_changed();
  }
}

HostRoutes::HostRoutes(Loop& loop, bool with_routed)
  : state_(std::make_unique<State>(loop, with_routed))
{}
HostRoutes::~HostRoutes() = default;

void HostRoutes::on_changed(std::function<void()> callback)
{
  state_->on_changed = std::move(callback);
}

const HostNetworks& HostRoutes::networks() const
{
  return state_->networks;
}

const HostNetworks& HostRoutes::newest()
{
  state_->note_changes();
  if (state_->settled.deadline() != NEVER
      && Clock::now() - state_->read_at >= READING_PART * state_->reading_time) {
    state_->settled.clear();
    state_->read_again();
  }
  return state_->networks;
}

} // namespace slirpstack
