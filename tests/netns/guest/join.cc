// The guest layer's way to a tap, from namespaces made by the programs that people use.
//
//   test process ──fork──► child joins ──► /dev/net/tun of the guest's namespace
//        ▲                                              │
//        └──────────────── SCM_RIGHTS ◄─────────────────┘

#include "base/error.hh"
#include "guest/guest_tap.hh"
#include "sandbox.hh"

#include <algorithm>
#include <array>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <iostream>
#include <poll.h>
#include <unistd.h>

using namespace slirpstack;
using namespace slirpstack::testing;

namespace {

const std::vector<std::string> UNSHARE{"unshare", "-Urn"};
const std::vector<std::string>
  BUBBLEWRAP{"bwrap", "--unshare-user", "--unshare-net", "--dev-bind", "/", "/", "--dev", "/mnt"};

Prefix prefix(const char* text)
{
  return Prefix::parse(text).value();
}

TapRequest configuring()
{
  TapRequest request;
  request.configure = true;
  request.addresses = {GuestAddress::in_network(prefix("10.0.2.0/24")),
                       GuestAddress{prefix("fd00::100/64"), IpAddress::parse("fd00::2").value()}};
  return request;
}

std::string describe(const std::optional<GuestAddress>& address)
{
  return address ? address->guest.to_string() + " via " + address->gateway.to_string() : "none";
}

/// A broadcast ARP request for the guest's 10.0.2.100, behind an empty virtio_net_hdr.
std::array<std::uint8_t, 52> arp_request()
{
  std::array<std::uint8_t, 52> frame{};
  Writer writer(frame);
  writer.zeros(10);
  writer.bytes(std::array<std::uint8_t, 12>{255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1});
  writer.bytes(std::array<std::uint8_t, 10>{8, 6, 0, 1, 8, 0, 6, 4, 0, 1});
  writer.bytes(std::array<std::uint8_t, 10>{2, 0, 0, 0, 0, 1, 10, 0, 2, 2});
  writer.zeros(6);
  writer.bytes(std::array<std::uint8_t, 4>{10, 0, 2, 100});
  return frame;
}

/// Reads frames until the guest's ARP reply comes; 2 seconds and 100 frames at most.
bool arp_answered(const OpenedTap& tap)
{
  std::array<std::uint8_t, 2048> frame{};
  for (int i = 0; i < 100; ++i) {
    pollfd readable{tap.fd.get(), POLLIN, 0};
    if (::poll(&readable, 1, 2000) != 1) {
      return false;
    }
    const ssize_t length_bytes = ::read(tap.fd.get(), frame.data(), frame.size());
    if (length_bytes >= 52 && frame[22] == 8 && frame[23] == 6 && frame[31] == 2) {
      return std::equal(tap.guest_mac.bytes.begin(), tap.guest_mac.bytes.end(), &frame[16]);
    }
  }
  return false;
}

void expect_working(const OpenedTap& tap)
{
  expect(tap.is_tap && tap.vnet_header, "a tap with a vnet header");
  expect_equal(std::to_string(tap.mtu_bytes), "1500");
  expect_equal(describe(tap.addresses.ipv4), "10.0.2.100/24 via 10.0.2.2");
  expect_equal(describe(tap.addresses.ipv6), "fd00::100/64 via fd00::2");
  expect((::fcntl(tap.fd.get(), F_GETFL) & O_NONBLOCK) != 0, "a non-blocking descriptor");
  expect((::fcntl(tap.fd.get(), F_GETFD) & FD_CLOEXEC) != 0, "a close-on-exec descriptor");
  const auto request = arp_request();
  expect(::write(tap.fd.get(), request.data(), request.size()) == 52, "the guest to take a frame");
  expect(arp_answered(tap), "the guest to answer ARP with its own address");
}

void join_configures(const std::vector<std::string>& wrapper)
{
  const Holder holder(wrapper);
  const std::string before = output_of("readlink /proc/self/ns/net");
  expect_working(open_guest_tap(NamespaceTarget::of_process(holder.pid()), configuring()));
  expect_equal(output_of("readlink /proc/self/ns/net"), before);
}

std::string refusal_of(const NamespaceTarget& target, const TapRequest& request)
{
  try {
    static_cast<void>(open_guest_tap(target, request));
  } catch (const std::exception& error) {
    return error.what();
  }
  return "no error";
}

} // namespace

TEST_CASE("an ordinary user joins what unshare made for him")
{
  as_ordinary_user([] { join_configures(UNSHARE); });
}

TEST_CASE("root joins what unshare made, with and without a user namespace")
{
  as_ourselves([] { join_configures(UNSHARE); });
  as_ourselves([] { join_configures({"unshare", "-n"}); });
}

TEST_CASE("an ordinary user joins bubblewrap's network through its nested user namespace")
{
  if (!is_installed("bwrap")) {
    MESSAGE("skipped: no bwrap");
    return;
  }
  as_ordinary_user([] {
    const Holder holder(BUBBLEWRAP);
    NamespaceTarget target = NamespaceTarget::of_process(holder.pid());
    target.user_path = fmt::format("/proc/{}/ns/user", holder.pid());
    expect(refusal_of(target, configuring()).ends_with("not permitted"), "a nested user namespace");
    join_configures(BUBBLEWRAP);
  });
}

TEST_CASE("an ordinary user joins what rootless podman made")
{
  // A container needs an image; `podman unshare` enters the same user namespace without one.
  as_ordinary_user([] {
    output_of("mkdir -m 700 /mnt/podman");
    ::setenv("HOME", "/mnt/podman", 1);
    ::setenv("XDG_RUNTIME_DIR", "/mnt/podman", 1);
    system_call("leave the build folder", ::chdir("/"));
    if (output_of("timeout 20 podman unshare echo works 2>/dev/null") == "works") {
      join_configures({"podman", "unshare", "unshare", "-n"});
    } else {
      std::cout << "skipped: no rootless podman" << std::endl;
    }
    // podman leaves a process behind that keeps its user namespace.
    output_of("find /mnt/podman -name pause.pid -exec cat '{}' + | xargs -r kill");
  });
}

TEST_CASE("an ordinary user joins a namespace two user namespaces down")
{
  as_ordinary_user([] { join_configures({"unshare", "-Ur", "unshare", "-Urn"}); });
}

TEST_CASE("-userns is joined as given, even when it is of no use")
{
  as_ordinary_user([] {
    const Holder holder({"unshare", "-Urn"});
    const Holder other({"unshare", "-Ur"});
    NamespaceTarget target = NamespaceTarget::of_process(holder.pid());
    target.user_path = fmt::format("/proc/{}/ns/user", holder.pid());
    expect_working(open_guest_tap(target, configuring()));
    target.user_path = fmt::format("/proc/{}/ns/user", other.pid());
    expect(refusal_of(target, configuring()).ends_with("not permitted"),
           "a refusal with the wrong user namespace");
  });
}

TEST_CASE("a namespace handed over as /proc/self/fd/N is opened in the caller")
{
  as_ordinary_user([] {
    const Holder holder(UNSHARE);
    const FileDescriptor handed(
      ::open(fmt::format("/proc/{}/ns/net", holder.pid()).c_str(), O_RDONLY | O_CLOEXEC));
    const auto path = fmt::format("/proc/self/fd/{}", handed.get());
    expect_working(open_guest_tap(NamespaceTarget::named(path), configuring()));
  });
}

TEST_CASE("configuring brings lo up and sets routes; a second time changes nothing")
{
  as_ordinary_user([] {
    const Holder holder(UNSHARE,
                        "ip tuntap add tun0 mode tap && ip addr add 10.0.2.100/24 dev tun0");
    const auto target = NamespaceTarget::of_process(holder.pid());
    for (int i = 0; i < 2; ++i) {
      expect_working(open_guest_tap(target, configuring()));
      expect_equal(holder.inside("ip -o -4 route show default | awk '{print $3, $5}'"),
                   "10.0.2.2 tun0");
    }
    expect_equal(holder.inside("ip -o -4 addr show lo | awk '{print $4}'"), "127.0.0.1/8");
    expect_equal(holder.inside("ip link show tun0 | grep -o 'qlen .*'"), "qlen 4000");
  });
}

TEST_CASE("IPv6 is usable as soon as the tap is there: no address is tentative")
{
  as_ordinary_user([] {
    const Holder holder(UNSHARE);
    const auto tap = open_guest_tap(NamespaceTarget::of_process(holder.pid()), configuring());
    expect_equal(holder.inside("ip -o -6 addr show dev tun0 scope global tentative"), "");
    expect_equal(holder.inside("ip -6 route get 2001:db8::1 | grep -o 'src [^ ]*'"),
                 "src fd00::100");
  });
}

TEST_CASE("a guest with IPv6 switched off is served IPv4 alone")
{
  as_ordinary_user([] {
    const Holder holder(UNSHARE, "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
    const auto tap = open_guest_tap(NamespaceTarget::of_process(holder.pid()), configuring());
    expect_equal(describe(tap.addresses.ipv4), "10.0.2.100/24 via 10.0.2.2");
    expect_equal(describe(tap.addresses.ipv6), "none");
  });
}

TEST_CASE("an MTU too small for IPv6 leaves it off")
{
  as_ordinary_user([] {
    const Holder holder(UNSHARE);
    TapRequest request = configuring();
    request.mtu_bytes = 1000;
    const auto tap = open_guest_tap(NamespaceTarget::of_process(holder.pid()), request);
    expect_equal(std::to_string(tap.mtu_bytes), "1000");
    expect_equal(describe(tap.addresses.ipv6), "none");
  });
}

TEST_CASE("a requested Ethernet address is the guest's")
{
  as_ordinary_user([] {
    const Holder holder(UNSHARE);
    TapRequest request = configuring();
    request.mac = MacAddress{{2, 0, 0, 0, 0, 0x42}};
    const auto tap = open_guest_tap(NamespaceTarget::of_process(holder.pid()), request);
    expect_equal(tap.guest_mac.to_string(), "02:00:00:00:00:42");
    expect_working(tap);
  });
}

TEST_CASE("what the owner configured is read: a tap as in slirpnetstack's README")
{
  as_ordinary_user([] {
    const Holder holder(
      UNSHARE,
      "ip tuntap add mode tap name tun0 && ip link set tun0 mtu 65521 up && "
      "ip addr add 10.0.2.100/24 dev tun0 && ip route add default via 10.0.2.2 && "
      "ip -6 addr add 2001:2::100/32 dev tun0 nodad && "
      "ip -6 route add default via 2001:2::2");
    const auto tap = open_guest_tap(NamespaceTarget::of_process(holder.pid()), TapRequest{});
    expect_equal(describe(tap.addresses.ipv4), "10.0.2.100/24 via 10.0.2.2");
    expect_equal(describe(tap.addresses.ipv6), "2001:2::100/32 via 2001:2::2");
    expect_equal(std::to_string(tap.mtu_bytes), "65521");
    expect(tap.guest_mac != MacAddress{}, "an Ethernet address");
  });
}

TEST_CASE("a tun device opens as one, without a next hop its gateway is host 2")
{
  as_ordinary_user([] {
    const Holder holder(UNSHARE,
                        "ip tuntap add mode tun name tun0 && ip link set tun0 up && "
                        "ip addr add 192.0.2.100/24 dev tun0 && ip route add default dev tun0");
    const auto tap = open_guest_tap(NamespaceTarget::of_process(holder.pid()), TapRequest{});
    expect(!tap.is_tap && tap.vnet_header, "a tun with a vnet header");
    expect_equal(describe(tap.addresses.ipv4), "192.0.2.100/24 via 192.0.2.2");
    expect(tap.guest_mac == MacAddress{}, "no Ethernet address");
  });
}

TEST_CASE("a device made with several queues opens")
{
  as_ordinary_user([] {
    const Holder holder(UNSHARE, "ip tuntap add mode tap name tun0 multi_queue");
    const auto tap = open_guest_tap(NamespaceTarget::of_process(holder.pid()), TapRequest{});
    expect(tap.is_tap && tap.fd, "an open tap");
    expect_equal(describe(tap.addresses.ipv4), "none");
  });
}

TEST_CASE("what cannot be joined or opened is told by its name")
{
  as_ordinary_user([] {
    const Holder holder(UNSHARE, "ip link add veth0 type veth peer name veth1");
    const auto target = NamespaceTarget::of_process(holder.pid());
    TapRequest request;
    expect_equal(refusal_of(target, request), "open the interface tun0: No such device");
    request.interface = "veth0";
    expect_equal(refusal_of(target, request),
                 "invalid value \"veth0\" for flag -interface: it is no tap or tun device");
    request.interface = "longer-than-fifteen";
    expect(refusal_of(target, request).find("1 to 15") != std::string::npos,
           "the limit of an interface's name");
    expect_equal(refusal_of(NamespaceTarget::named("absent"), TapRequest{}),
                 "open the network namespace /run/netns/absent: No such file or directory");
    expect_equal(refusal_of(NamespaceTarget::named("/proc/self/ns/mnt"), TapRequest{}),
                 "/proc/self/ns/mnt is no network namespace");
    expect_equal(refusal_of(NamespaceTarget::of_process(1 << 22), TapRequest{}),
                 "invalid process id 4194304: there is no such process");
  });
}

TEST_CASE("an interface that another program has open is busy")
{
  as_ordinary_user([] {
    const Holder holder(UNSHARE);
    const auto target = NamespaceTarget::of_process(holder.pid());
    const auto first = open_guest_tap(target, configuring());
    expect(refusal_of(target, TapRequest{}).find("another program has it") != std::string::npos,
           "a busy device to be told so");
  });
}

TEST_CASE("an ordinary user cannot join root's namespace, and is told whose it is")
{
  const Holder holder({"unshare", "-n"});
  const FileDescriptor handed(
    ::open(fmt::format("/proc/{}/ns/net", holder.pid()).c_str(), O_RDONLY | O_CLOEXEC));
  as_ordinary_user([&] {
    const auto path = fmt::format("/proc/self/fd/{}", handed.get());
    expect_equal(refusal_of(NamespaceTarget::named(path), configuring()),
                 fmt::format("join the network namespace {}: Operation not permitted", path));
  });
}
