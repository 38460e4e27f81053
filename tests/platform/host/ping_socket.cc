#include "host/ping_socket.hh"

#include "test_namespace.hh"
#include "wire/icmp_error.hh"
#include "wire/ip.hh"

#include <array>
#include <doctest/doctest.h>
#include <fstream>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

using Bytes = std::vector<std::uint8_t>;

/// Moves on into a namespace of its own, since one that allowed ping sockets to its only group
/// cannot be told otherwise by an unprivileged user.
void enter_namespace(bool ping_sockets)
{
  REQUIRE(enter_test_namespace());
  if (ping_sockets) {
    std::ofstream("/proc/sys/net/ipv4/ping_group_range") << "0 0";
  }
}

/// Takes CAP_NET_RAW out of effect while it lives.
class WithoutNetRaw
{
public:
  WithoutNetRaw() { set(false); }
  ~WithoutNetRaw() { set(true); }
  WithoutNetRaw(const WithoutNetRaw&) = delete;
  WithoutNetRaw& operator=(const WithoutNetRaw&) = delete;
  WithoutNetRaw(WithoutNetRaw&&) = delete;
  WithoutNetRaw& operator=(WithoutNetRaw&&) = delete;

private:
  static void set(bool on)
  {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> data{};
    REQUIRE(::syscall(SYS_capget, &header, data.data()) == 0);
    const std::uint32_t bit = 1U << CAP_NET_RAW;
    data[0].effective = on ? data[0].effective | bit : data[0].effective & ~bit;
    REQUIRE(::syscall(SYS_capset, &header, data.data()) == 0);
  }
};

struct Pinger final : HostPingEvents
{
  explicit Pinger(Family family)
  {
    auto opened = network.open_ping(family, std::nullopt, *this);
    socket = std::move(opened.socket);
    open_error = opened.error;
  }
  void on_reply(const IpAddress& from,
                std::uint16_t sequence,
                std::uint8_t hop_limit,
                ByteView data) override
  {
    replies.push_back({from, sequence, hop_limit, {data.begin(), data.end()}});
  }
  void on_error(const HostError& error,
                const IpAddress& to,
                std::uint16_t sequence,
                ByteView data) override
  {
    errors.push_back({error, to, sequence, {data.begin(), data.end()}});
  }

  struct Reply
  {
    IpAddress from;
    std::uint16_t sequence;
    std::uint8_t hop_limit;
    Bytes data;
  };
  struct Error
  {
    HostError error;
    IpAddress to;
    std::uint16_t sequence;
    Bytes data;
  };
  Loop loop;
  HostSockets network{loop, {}};
  std::unique_ptr<HostPing> socket;
  HostError open_error;
  std::vector<Reply> replies;
  std::vector<Error> errors;
};

} // namespace

TEST_CASE("an echo request is answered, by a ping socket and by a raw one")
{
  for (const bool ping_sockets : {true, false}) {
    for (const IpAddress& address : {LOOPBACK, LOOPBACK6}) {
      CAPTURE(ping_sockets);
      CAPTURE(address.to_string());
      enter_namespace(ping_sockets);
      Pinger pinger(address.family());
      REQUIRE(pinger.socket);
      Pinger bystander(address.family());
      REQUIRE(bystander.socket);
      const Bytes data{1, 2, 3, 4, 5, 6, 7};
      CHECK_FALSE(pinger.socket->send(address, 0x1234, data, 0, false).code);
      REQUIRE(run_until(pinger.loop, [&] { return !pinger.replies.empty(); }));
      CHECK(pinger.replies.size() == 1);
      CHECK(pinger.replies[0].from == address);
      CHECK(pinger.replies[0].sequence == 0x1234);
      CHECK(pinger.replies[0].hop_limit == 64);
      CHECK(pinger.replies[0].data == data);
      run_quietly(bystander.loop);
      CHECK(bystander.replies.empty());
    }
  }
}

TEST_CASE("without ping sockets and the capability for raw ones, EACCES")
{
  enter_namespace(false);
  const WithoutNetRaw unprivileged;
  const Pinger pinger(Family::ipv4);
  CHECK_FALSE(pinger.socket);
  CHECK(pinger.open_error.code == std::errc::permission_denied);
}

TEST_CASE("a request that is too large is refused with the path's MTU")
{
  enter_namespace(true);
  Pinger pinger(Family::ipv4);
  REQUIRE(pinger.socket);
  const Bytes data(3000, 1);
  const HostError refused = pinger.socket->send(LOOPBACK, 1, data, 0, true);
  CHECK(refused.code == std::errc::message_size);
  REQUIRE(refused.icmp);
  CHECK(refused.icmp->mtu_bytes == 1500);
  CHECK_FALSE(pinger.socket->send(LOOPBACK, 2, data, 0, false).code);
  CHECK(run_until(pinger.loop, [&] { return !pinger.replies.empty(); }));
  CHECK(pinger.replies[0].data == data);
}

TEST_CASE("time exceeded and unreachable name the request and the router")
{
  for (const bool ping_sockets : {true, false}) {
    enter_namespace(ping_sockets);
    Router tun;
    if (!tun.there()) {
      MESSAGE("not tested: no /dev/net/tun");
      return;
    }
    for (const FarHost& far : far_hosts("9")) {
      for (const auto kind : {IcmpErrorKind::time_exceeded, IcmpErrorKind::host_unreachable}) {
        CAPTURE(ping_sockets);
        CAPTURE(far.address.to_string());
        Pinger pinger(far.address.family());
        REQUIRE(pinger.socket);
        Pinger bystander(far.address.family());
        const Bytes data{9, 8, 7, 6};
        CHECK_FALSE(pinger.socket->send(far.address, 77, data, 3, true).code);
        const Bytes packet = tun.receive(far.address);
        const auto header = IpHeader::parse(packet);
        REQUIRE(header);
        CHECK(header->hop_limit == 3);
        tun.send(icmp_error(kind, 0, far.router, packet).bytes());
        REQUIRE(run_until(pinger.loop, [&] { return !pinger.errors.empty(); }));
        const auto& error = pinger.errors[0];
        CHECK(error.to == far.address);
        CHECK(error.sequence == 77);
        CHECK(error.data == data);
        REQUIRE(error.error.icmp);
        CHECK(error.error.icmp->type == icmp_type_code(far.address.family(), kind).type);
        CHECK(error.error.icmp->offender == far.router);
        run_quietly(bystander.loop);
        CHECK(bystander.errors.empty());
        // The error that is still pending on the socket does not fail the next request.
        CHECK_FALSE(pinger.socket->send(far.address, 78, data, 0, false).code);
        tun.receive(far.address);
      }
    }
  }
}
