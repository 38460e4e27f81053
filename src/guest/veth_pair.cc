#include "guest/veth_pair.hh"

#include "base/error.hh"
#include "guest/configure.hh"
#include "guest/handover.hh"
#include "guest/interface.hh"
#include "guest/quiet_interface.hh"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <sys/stat.h>
#include <type_traits>

namespace slirpstack {

namespace {

/// What marks our end as ours, for the successor of a process that was killed.
constexpr const char* ALIAS = "slirpstack";

/// What the child tells of the guest's end.
struct Facts
{
  MacAddress mac;
  GuestAddresses addresses;
};
static_assert(std::is_trivially_copyable_v<Facts>, "it crosses a socket as bytes");

void check(std::error_code error, const std::string& attempt)
{
  if (error) {
    throw std::system_error(error, attempt);
  }
}

/// Our end, as it is now.
struct OldEnd
{
  int index = 0;
  bool is_ours = false;
};

std::optional<OldEnd> find_old_end(RouteSocket& socket, const std::string& name)
{
  RouteRequest request(RTM_GETLINK, NLM_F_ACK);
  request.body<ifinfomsg>().ifi_family = AF_UNSPEC;
  request.put(IFLA_IFNAME, name);
  std::optional<OldEnd> found;
  const std::error_code error = socket.transact(request, [&](const nlmsghdr& message) {
    const auto& body = *static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&message));
    const Attributes<IFLA_MAX> attributes(message, sizeof body);
    const ByteView alias = attributes.bytes(IFLA_IFALIAS);
    const std::string_view text(reinterpret_cast<const char*>(alias.data()), alias.size());
    found = OldEnd{body.ifi_index, text.substr(0, text.find('\0')) == ALIAS};
  });
  if (error != std::errc::no_such_device) {
    check(error, fmt::format("look {} up", name));
  }
  return found;
}

void remove_link(RouteSocket& socket, int index)
{
  RouteRequest request(RTM_DELLINK, NLM_F_ACK);
  auto& body = request.body<ifinfomsg>();
  body.ifi_family = AF_UNSPEC;
  body.ifi_index = index;
  const std::error_code error = socket.transact(request);
  if (error != std::errc::no_such_device) {
    check(error, "remove a veth pair");
  }
}

/// In the guest's namespace: makes the pair, the other end in `host`.
void create(RouteSocket& socket, const VethRequest& asked, const FileDescriptor& host)
{
  RouteRequest request(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
  request.body<ifinfomsg>().ifi_family = AF_UNSPEC;
  request.put(IFLA_IFNAME, asked.guest_name);
  request.put(IFLA_MTU, asked.mtu_bytes);
  nlmsghdr& message = request.header();
  nlattr* const info = mnl_attr_nest_start(&message, IFLA_LINKINFO);
  request.put(IFLA_INFO_KIND, std::string("veth"));
  nlattr* const data = mnl_attr_nest_start(&message, IFLA_INFO_DATA);
  nlattr* const peer = mnl_attr_nest_start(&message, VETH_INFO_PEER);
  request.body<ifinfomsg>().ifi_family = AF_UNSPEC;
  request.put(IFLA_IFNAME, asked.host_name);
  request.put(IFLA_MTU, asked.mtu_bytes);
  request.put(IFLA_NET_NS_FD, static_cast<std::uint32_t>(host.get()));
  mnl_attr_nest_end(&message, peer);
  mnl_attr_nest_end(&message, data);
  mnl_attr_nest_end(&message, info);
  const std::error_code error = socket.transact(request);
  if (error == std::errc::file_exists) {
    throw UsageError(fmt::format(
      "invalid value \"{}\" for flag -interface: the guest has an interface of that name already",
      asked.guest_name));
  }
  check(error, "make a veth pair into the guest");
}

/// Runs in the child.
Handover set_up_guest(const Namespace& guest, const VethRequest& asked, bool is_new)
{
  const FileDescriptor host(
    system_call("open our network namespace", ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)));
  guest.enter();
  RouteSocket socket;
  if (is_new) {
    create(socket, asked, host);
  }
  const std::optional<Interface> end = find_interface(socket, asked.guest_name);
  if (!end) {
    throw std::system_error(
      ENODEV, std::generic_category(), fmt::format("look the guest's {} up", asked.guest_name));
  }
  if (asked.prepare) {
    asked.prepare(asked.guest_name);
  }
  const GuestAddresses given = configure_interface(socket, *end, asked.mtu_bytes, asked.addresses);
  const Facts facts{end->mac, is_new ? given : read_addresses(socket, *end)};
  Handover handover;
  handover.bytes.resize(sizeof facts);
  std::memcpy(handover.bytes.data(), &facts, sizeof facts);
  return handover;
}

/// A new pair, or none at all.
Handover make_anew(RouteSocket& socket, const Namespace& guest, const VethRequest& request)
{
  try {
    return run_in_child([&] { return set_up_guest(guest, request, true); });
  } catch (...) {
    if (const auto half_made = find_old_end(socket, request.host_name)) {
      remove_link(socket, half_made->index);
    }
    throw;
  }
}

void mark(RouteSocket& socket, const Interface& interface)
{
  RouteRequest request(RTM_NEWLINK, NLM_F_ACK);
  auto& body = request.body<ifinfomsg>();
  body.ifi_family = AF_UNSPEC;
  body.ifi_index = interface.index;
  request.put(IFLA_IFALIAS, std::string(ALIAS));
  check(socket.transact(request), "name our end of a veth pair");
}

std::string numbered_name(const char* kind, const NamespaceTarget& target)
{
  const std::string path = target.path.empty() ? "/proc/self/ns/net" : target.path;
  struct stat space = {};
  system_call(fmt::format("open the network namespace {}", path), ::stat(path.c_str(), &space));
  return fmt::format("{}{}", kind, space.st_ino);
}

} // namespace

VethPair::VethPair(const NamespaceTarget& target, const VethRequest& request)
  : host_name_(request.host_name)
{
  const Namespace guest(target);
  RouteSocket socket;
  const std::optional<OldEnd> old = find_old_end(socket, host_name_);
  if (old && !old->is_ours) {
    throw std::system_error(
      EEXIST, std::generic_category(), fmt::format("make the interface {}", host_name_));
  }
  const bool is_new = !old || !request.adopts;
  if (old && is_new) {
    remove_link(socket, old->index);
  }
  const Handover handover = is_new
                              ? make_anew(socket, guest, request)
                              : run_in_child([&] { return set_up_guest(guest, request, false); });
  Facts facts;
  std::memcpy(static_cast<void*>(&facts), handover.bytes.data(), sizeof facts);
  guest_mac_ = facts.mac;
  addresses_ = facts.addresses;
  const std::optional<Interface> ours = find_interface(socket, host_name_);
  if (!ours) {
    throw std::system_error(ENODEV, std::generic_category(), "look our end of a veth pair up");
  }
  host_index_ = ours->index;
  try {
    mark(socket, *ours);
    quiet_interface(host_name_);
    bring_up(socket, *ours, request.mtu_bytes);
  } catch (...) {
    remove_link(socket, host_index_);
    throw;
  }
}

VethPair::~VethPair()
{
  if (is_kept_) {
    return;
  }
  try {
    RouteSocket socket;
    remove_link(socket, host_index_);
  } catch (const std::system_error&) {} // gone with its guest, or it stays until the next start
}

std::string veth_name(const NamespaceTarget& target)
{
  return numbered_name("slv", target);
}

std::string host_tap_name(const NamespaceTarget& target)
{
  return numbered_name("slt", target);
}

} // namespace slirpstack
