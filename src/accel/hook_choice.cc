#include "accel/hook_choice.hh"

#include "guest/rtnetlink.hh"

#include <algorithm>
#include <fmt/format.h>
#include <linux/if_link.h>

namespace slirpstack {

namespace {

// As face/accel_settings says it.
constexpr unsigned MAX_XDP_MTU_BYTES = 3400;

/// `veth`, `bridge`, `bond` …; empty for a network card, or if there is no such interface.
std::string kind_of(const std::string& name)
{
  RouteSocket socket;
  RouteRequest request(RTM_GETLINK, NLM_F_ACK);
  request.body<ifinfomsg>().ifi_family = AF_UNSPEC;
  request.put(IFLA_IFNAME, name);
  std::string kind;
  const std::error_code error = socket.transact(request, [&](const nlmsghdr& message) {
    const Attributes<IFLA_MAX> attributes(message, sizeof(ifinfomsg));
    if (attributes[IFLA_LINKINFO] == nullptr) {
      return;
    }
    const ByteView bytes
      = Attributes<IFLA_INFO_MAX>(attributes[IFLA_LINKINFO]).bytes(IFLA_INFO_KIND);
    kind.assign(bytes.begin(), bytes.end());
    kind.resize(std::min(kind.size(), kind.find('\0')));
  });
  if (error && error != std::errc::no_such_device) {
    throw std::system_error(error, fmt::format("look {} up", name));
  }
  return kind;
}

} // namespace

HookChoice choose_hook(const std::string& external, unsigned mtu_bytes)
{
  const std::string kind = kind_of(external);
  if (!kind.empty()) {
    return {NatHook::tc, fmt::format("{} is a {}", external, kind)};
  }
  if (mtu_bytes > MAX_XDP_MTU_BYTES) {
    return {NatHook::tc, fmt::format("an MTU of {} is too large for XDP", mtu_bytes)};
  }
  return {NatHook::xdp, fmt::format("{} is a network card", external)};
}

} // namespace slirpstack
