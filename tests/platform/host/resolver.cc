#include "host/resolver.hh"

#include "test_namespace.hh"
#include "wire/dns.hh"

#include <algorithm>
#include <array>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <map>
#include <sys/socket.h>

using namespace slirpstack;
using namespace slirpstack::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint16_t TYPE_A = 1;
constexpr std::uint16_t TYPE_AAAA = 28;
constexpr std::uint16_t TYPE_SRV = 33;

/// A DNS server in the test's own loop. What it does not know does not exist.
class FakeServer
{
public:
  FakeServer(Loop& loop, std::uint16_t port)
    : peer_(SOCK_DGRAM, LOOPBACK, port), watch_(loop, peer_.get(), [this] { answer(); })
  {}

  void knows(const std::string& name, const char* address, std::uint32_t ttl = 60)
  {
    const IpAddress known = IpAddress::parse(address).value();
    const ByteView bytes = known.bytes();
    records_[{name, known.is_ipv4() ? TYPE_A : TYPE_AAAA}].push_back(
      {ttl, {bytes.begin(), bytes.end()}});
  }
  void knows_service(const std::string& name, const std::string& target, std::uint16_t port)
  {
    std::vector<std::uint8_t> data(6);
    Writer(MutableBytes(data).subspan(4)).u16(port);
    for (std::size_t at = 0; at < target.size();) {
      const std::size_t end = std::min(target.find('.', at), target.size());
      data.push_back(static_cast<std::uint8_t>(end - at));
      data.insert(data.end(),
                  target.begin() + static_cast<std::ptrdiff_t>(at),
                  target.begin() + static_cast<std::ptrdiff_t>(end));
      at = end + 1;
    }
    data.push_back(0);
    records_[{name, TYPE_SRV}].push_back({60, data});
  }
  void falls_silent() { silent_ = true; }
  [[nodiscard]] std::size_t asked() const { return asked_; }
  [[nodiscard]] std::uint16_t port() const { return peer_.endpoint().port; }

private:
  struct Record
  {
    std::uint32_t ttl;
    std::vector<std::uint8_t> data;
  };

  void answer()
  {
    std::array<std::uint8_t, 512> query{};
    SocketAddress from;
    socklen_t size = SocketAddress::CAPACITY;
    const ssize_t length
      = ::recvfrom(peer_.get(), query.data(), query.size(), 0, from.data(), &size);
    const auto parsed = DnsQuery::parse(ByteView(query).first(static_cast<std::size_t>(length)));
    ++asked_;
    if (silent_ || !parsed) {
      return;
    }
    const auto found = records_.find({parsed->name(), parsed->type});
    std::array<std::uint8_t, 512> reply{};
    Writer writer(reply);
    writer.u16(parsed->id);
    writer.u16(static_cast<std::uint16_t>(0x8180U | (knows_name(parsed->name()) ? 0U : 3U)));
    writer.u16(1);
    writer.u16(static_cast<std::uint16_t>(found == records_.end() ? 0 : found->second.size()));
    writer.u32(0);
    writer.bytes(parsed->question);
    if (found != records_.end()) {
      for (const Record& record : found->second) {
        writer.u16(0xc00c);
        writer.u16(parsed->type);
        writer.u16(1);
        writer.u32(record.ttl);
        writer.u16(static_cast<std::uint16_t>(record.data.size()));
        writer.bytes(record.data);
      }
    }
    ::sendto(peer_.get(), reply.data(), writer.written(), 0, from.data(), size);
  }
  [[nodiscard]] bool knows_name(const std::string& name) const
  {
    return std::ranges::any_of(records_,
                               [&](const auto& entry) { return entry.first.first == name; });
  }

  Peer peer_;
  Watch watch_;
  std::map<std::pair<std::string, std::uint16_t>, std::vector<Record>> records_;
  std::size_t asked_ = 0;
  bool silent_ = false;
};

/// The machine's configuration for these tests; false where files may not be replaced.
bool configured(const char* resolver = "127.0.0.1")
{
  return replace_file("/etc/resolv.conf", std::string("nameserver ") + resolver + "\n")
         && replace_file("/etc/hosts", "127.0.0.1 localhost\n192.0.2.200 known.example\n");
}

HostName plain(const char* name)
{
  return {.name = name, .server = {}};
}

std::string addresses_of(const LookupAnswer& answer)
{
  std::string text;
  for (const IpAddress& address : answer.addresses) {
    text += fmt::format("{}{}", text.empty() ? "" : " ", address.to_string());
  }
  return text.empty() ? answer.error : text;
}

#define REQUIRE_CONFIGURED()                                                                       \
  if (!configured()) {                                                                             \
    MESSAGE("skipped: files cannot be replaced here");                                             \
    return;                                                                                        \
  }

} // namespace

TEST_CASE("addresses of both families, IPv4 first, with the shortest lifetime")
{
  REQUIRE_CONFIGURED();
  Loop loop;
  FakeServer server(loop, 53);
  server.knows("web.example", "2001:db8::1", 30);
  server.knows("web.example", "192.0.2.1", 300);
  server.knows("web.example", "192.0.2.2", 300);
  Resolver resolver(loop, 0s);
  const LookupAnswer answer = resolve_now(loop, resolver, plain("web.example"));
  CHECK(addresses_of(answer) == "192.0.2.1 192.0.2.2 2001:db8::1");
  CHECK(answer.lifetime == 30s);
}

TEST_CASE("the hosts file counts, and an address is its own answer")
{
  REQUIRE_CONFIGURED();
  Loop loop;
  FakeServer server(loop, 53);
  Resolver resolver(loop, 0s);
  CHECK(addresses_of(resolve_now(loop, resolver, plain("known.example"))) == "192.0.2.200");
  CHECK(addresses_of(resolve_now(loop, resolver, plain("2001:db8::7"))) == "2001:db8::7");
}

TEST_CASE("a name that does not exist, and a server that is not there")
{
  REQUIRE_CONFIGURED();
  Loop loop;
  Resolver resolver(loop, 0s);
  {
    FakeServer server(loop, 53);
    CHECK(addresses_of(resolve_now(loop, resolver, plain("gone.example")))
          == "lookup gone.example: no such host");
  }
  CHECK(addresses_of(resolve_now(loop, resolver, plain("gone.example")))
        == "lookup gone.example: no name server has an answer");
}

TEST_CASE("a silent server is given up in bounded time")
{
  REQUIRE_CONFIGURED();
  Loop loop;
  FakeServer server(loop, 53);
  server.falls_silent();
  Resolver resolver(loop, 0s, {.system = 100ms, .srv = 100ms});
  CHECK(addresses_of(resolve_now(loop, resolver, plain("web.example")))
        == "lookup web.example: i/o timeout");
}

TEST_CASE("a service by SRV: its target on the same server, else by the system")
{
  REQUIRE_CONFIGURED();
  Loop loop;
  FakeServer system(loop, 53);
  FakeServer own(loop, 0);
  own.knows_service("_a._tcp.example", "a.example", 8080);
  own.knows("a.example", "192.0.2.11");
  own.knows_service("_b._tcp.example", "b.example", 8081);
  system.knows("b.example", "192.0.2.12");
  Resolver resolver(loop, 0s);
  const auto service = [&](const char* name) {
    return resolve_now(
      loop, resolver, {.name = name, .server = HostName::Server{"127.0.0.1", own.port()}});
  };
  const LookupAnswer first = service("_a._tcp.example");
  CHECK(addresses_of(first) == "192.0.2.11");
  CHECK(first.port == 8080);
  CHECK(system.asked() == 0);
  const LookupAnswer second = service("_b._tcp.example");
  CHECK(addresses_of(second) == "192.0.2.12");
  CHECK(second.port == 8081);
  CHECK(addresses_of(service("_c._tcp.example"))
        == "Failed to lookup SRV \"_c._tcp.example\" on \"127.0.0.1:" + std::to_string(own.port())
             + "\"");
}

TEST_CASE("an SRV server may be a name itself")
{
  REQUIRE_CONFIGURED();
  Loop loop;
  FakeServer system(loop, 53);
  system.knows("dns.example", "127.0.0.1");
  FakeServer own(loop, 0);
  own.knows_service("_a._tcp.example", "a.example", 8080);
  own.knows("a.example", "192.0.2.11");
  Resolver resolver(loop, 0s);
  const LookupAnswer answer = resolve_now(
    loop,
    resolver,
    {.name = "_a._tcp.example", .server = HostName::Server{"dns.example", own.port()}});
  CHECK(addresses_of(answer) == "192.0.2.11");
}

TEST_CASE("an answer is kept for its time, and a question that is being asked is joined")
{
  REQUIRE_CONFIGURED();
  Loop loop;
  FakeServer server(loop, 53);
  server.knows("web.example", "192.0.2.1");
  Resolver resolver(loop, 1h);
  int answered = 0;
  const auto count = [&](const LookupAnswer&) { ++answered; };
  const auto one = resolver.look_up(plain("web.example"), count);
  const auto two = resolver.look_up(plain("web.example"), count);
  CHECK(run_until(loop, [&] { return answered == 2; }));
  const std::size_t asked = server.asked();
  CHECK(asked == 2); // A and AAAA
  const auto three = resolver.look_up(plain("web.example"), count);
  CHECK(answered == 2); // from the loop, even so
  CHECK(run_until(loop, [&] { return answered == 3; }));
  CHECK(server.asked() == asked);
}

TEST_CASE("a kept answer expires, however often it is used")
{
  REQUIRE_CONFIGURED();
  Loop loop;
  FakeServer server(loop, 53);
  server.knows("web.example", "192.0.2.1");
  Resolver resolver(loop, 100ms);
  const TimePoint end = Loop::now() + 5s;
  int served = 0;
  for (; server.asked() <= 2 && Loop::now() < end; ++served) {
    CHECK(addresses_of(resolve_now(loop, resolver, plain("web.example"))) == "192.0.2.1");
  }
  CHECK(server.asked() == 4); // A and AAAA, twice
  CHECK(served > 2);
}

TEST_CASE("a lookup afresh passes what is kept, and what it brings is kept in its place")
{
  REQUIRE_CONFIGURED();
  Loop loop;
  FakeServer server(loop, 53);
  server.knows("web.example", "192.0.2.1");
  Resolver resolver(loop, 1h);
  CHECK(addresses_of(resolve_now(loop, resolver, plain("web.example"))) == "192.0.2.1");
  server.knows("web.example", "192.0.2.2");
  std::string fresh;
  const auto lookup = resolver.look_up_afresh(
    plain("web.example"), [&](const LookupAnswer& answer) { fresh = addresses_of(answer); });
  CHECK(addresses_of(resolve_now(loop, resolver, plain("web.example"))) == "192.0.2.1");
  CHECK(run_until(loop, [&] { return !fresh.empty(); }));
  CHECK(fresh == "192.0.2.1 192.0.2.2");
  const std::size_t asked = server.asked();
  CHECK(addresses_of(resolve_now(loop, resolver, plain("web.example"))) == fresh);
  CHECK(server.asked() == asked);
}

TEST_CASE("those who wait for one answer hear it in the order in which they came")
{
  REQUIRE_CONFIGURED();
  Loop loop;
  FakeServer server(loop, 53);
  server.knows("web.example", "192.0.2.1");
  Resolver resolver(loop, 0s);
  std::vector<int> order;
  std::vector<std::unique_ptr<PendingLookup>> lookups;
  const auto look_up = [&](int number) {
    return resolver.look_up(plain("web.example"),
                            [&order, number](const auto&) { order.push_back(number); });
  };
  // Dropped lookups leave memory for later ones, which is not in the order of coming.
  for (int i = 0; i < 8; ++i) {
    lookups.push_back(look_up(100 + i));
  }
  for (std::size_t i = 1; i < lookups.size(); ++i) {
    lookups[i].reset();
  }
  for (int i = 0; i < 16; ++i) {
    lookups.push_back(look_up(i));
  }
  CHECK(run_until(loop, [&] { return order.size() == 17; }));
  CHECK(order.front() == 100);
  CHECK(std::ranges::is_sorted(order.begin() + 1, order.end()));
}

TEST_CASE("a dropped lookup hears nothing; one may drop itself and start others when told")
{
  REQUIRE_CONFIGURED();
  Loop loop;
  FakeServer server(loop, 53);
  server.knows("web.example", "192.0.2.1");
  Resolver resolver(loop, 0s);
  int answered = 0;
  auto dropped
    = resolver.look_up(plain("web.example"), [&](const LookupAnswer&) { answered += 100; });
  dropped.reset();
  std::unique_ptr<PendingLookup> again;
  std::unique_ptr<PendingLookup> first = resolver.look_up(plain("web.example"), [&](const auto&) {
    ++answered;
    first.reset();
    again = resolver.look_up(plain("web.example"), [&](const LookupAnswer&) { ++answered; });
  });
  CHECK(run_until(loop, [&] { return answered == 2; }));
  run_quietly(loop);
  CHECK(answered == 2);
}

TEST_CASE("a changed resolv.conf is noticed")
{
  REQUIRE_CONFIGURED();
  Loop loop;
  FakeServer server(loop, 53);
  server.knows("web.example", "192.0.2.1");
  REQUIRE(configured("127.0.0.53"));
  Resolver resolver(loop, 0s);
  CHECK(resolve_now(loop, resolver, plain("web.example")).addresses.empty());
  REQUIRE(configured("127.0.0.1"));
  CHECK(addresses_of(resolve_now(loop, resolver, plain("web.example"))) == "192.0.2.1");
}

TEST_CASE("when nothing is asked nothing wakes up, and pending lookups end with the resolver")
{
  REQUIRE_CONFIGURED();
  Loop loop;
  FakeServer server(loop, 53);
  server.falls_silent();
  int answered = 0;
  {
    Resolver resolver(loop, 0s, {.system = 50ms, .srv = 50ms});
    CHECK_FALSE(resolve_now(loop, resolver, plain("web.example")).error.empty());
    run_quietly(loop);
    int turns = 0;
    {
      const LoopTurns counted(loop, {}, [&] { ++turns; });
      run_quietly(loop);
    }
    CHECK(turns <= 1); // the end of the quiet itself
    const auto pending = resolver.look_up(plain("b.example"), [&](const auto&) { ++answered; });
    static_cast<void>(pending);
  }
  run_quietly(loop);
  CHECK(answered == 0);
}
