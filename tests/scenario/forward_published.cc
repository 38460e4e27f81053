// Local forwards at addresses where only a publisher can listen.

#include "scenario/world.hh"

#include <algorithm>
#include <doctest/doctest.h>

namespace slirpstack {

namespace {

/// Publishes in memory, at 203.0.113.0/24.
class FakePublisher final : public PortPublisher
{
public:
  [[nodiscard]] bool has_address(const IpAddress& address) const override
  {
    return Prefix::parse("203.0.113.0/24")->contains(address);
  }
  PublishAnswer publish(const PublishedPort& port, TimePoint /*now*/) override
  {
    if (answer == PublishAnswer::published) {
      open.push_back(text_of(port));
    }
    return answer;
  }
  void withdraw(const PublishedPort& port, TimePoint /*now*/) override
  {
    std::erase(open, text_of(port));
  }

  bool reserve(std::uint8_t protocol, const Endpoint& socket, TimePoint /*now*/) override
  {
    if (has_guests_everywhere) {
      return false;
    }
    reserved.push_back(std::to_string(protocol) + " " + socket.to_string());
    return true;
  }
  void release(std::uint8_t protocol, const Endpoint& socket, TimePoint /*now*/) override
  {
    std::erase(reserved, std::to_string(protocol) + " " + socket.to_string());
  }

  PublishAnswer answer = PublishAnswer::published;
  std::vector<std::string> open;
  bool has_guests_everywhere = false;
  std::vector<std::string> reserved;

private:
  static std::string text_of(const PublishedPort& port)
  {
    return std::to_string(port.protocol) + " " + port.external.to_string() + " "
           + port.guest.to_string();
  }
};

struct Published
{
  Published() { world.gateway.forwards().set_publisher(publisher); }

  ForwardSet::Info add(std::string_view text)
  {
    const ForwardSpec spec = ForwardSpec::parse(ForwardDirection::local, text);
    return world.gateway.forwards().add(plan_forward(spec, {}));
  }
  std::string refusal(std::string_view text)
  {
    try {
      add(text);
    } catch (const std::exception& error) {
      return error.what();
    }
    return {};
  }

  FakePublisher publisher;
  World world;
};

using Open = std::vector<std::string>;

} // namespace

TEST_CASE("a forward at an address of the NAT is published, one at the host's has a socket")
{
  Published at;
  const auto info = at.add("203.0.113.5:8000-8001:10.0.2.100:80-81");
  CHECK(at.publisher.open
        == Open{"6 203.0.113.5:8000 10.0.2.100:80", "6 203.0.113.5:8001 10.0.2.100:81"});
  REQUIRE(info.listening.size() == 2);
  CHECK(to_string(info.listening.front()) == "203.0.113.5:8000");
  CHECK(info.is_published);
  CHECK(at.world.host.listeners() == 0);
  const auto second = at.add("udp://203.0.113.5:53:10.0.2.100:5353");
  CHECK(at.publisher.open.back() == "17 203.0.113.5:53 10.0.2.100:5353");
  at.add("192.0.2.77:80:10.0.2.100:80");
  CHECK(at.publisher.open.size() == 3);
  CHECK(at.world.host.listeners() == 1);
  CHECK(at.world.gateway.forwards().remove(info.id, ForwardSet::Removal::end));
  CHECK(at.publisher.open.size() == 1);
  CHECK(at.world.gateway.forwards().remove(second.id, ForwardSet::Removal::drain));
  CHECK(at.publisher.open.empty());
}

TEST_CASE("the port of a forward's socket is no guest's until the forward has gone")
{
  Published at;
  const auto tcp = at.add("192.0.2.77:8000-8001:10.0.2.100:80-81");
  CHECK(at.publisher.reserved == Open{"6 192.0.2.77:8000", "6 192.0.2.77:8001"});
  const auto udp = at.add("udp://0.0.0.0:53:10.0.2.100:5353");
  REQUIRE(at.publisher.reserved.size() == 3);
  CHECK(at.publisher.reserved.back().ends_with(":53"));
  CHECK(at.publisher.open.empty());
  at.add("203.0.113.5:80:10.0.2.100:80");
  CHECK(at.publisher.reserved.size() == 3);
  CHECK(at.world.gateway.forwards().remove(tcp.id, ForwardSet::Removal::end));
  CHECK(at.publisher.reserved.size() == 1);
  CHECK(at.world.gateway.forwards().remove(udp.id, ForwardSet::Removal::drain));
  at.world.gateway.forwards().flush(); // nobody uses it
  CHECK(at.publisher.reserved.empty());
}

TEST_CASE("a forward whose port is a guest's at the NAT is refused as a whole")
{
  Published at;
  at.publisher.has_guests_everywhere = true;
  CHECK(at.refusal("192.0.2.77:8000:10.0.2.100:80")
        == "listen on tcp://192.0.2.77:8000, where the NAT has a guest: Address already in use");
  CHECK(at.world.gateway.forwards().list().empty());
}

TEST_CASE("what takes a socket cannot be published, and the refusal says so")
{
  Published at;
  for (const char* text : {"tcppp://203.0.113.5:80:10.0.2.100:80",
                           "udprpc://203.0.113.5:80:10.0.2.100:80",
                           "203.0.113.5:0:10.0.2.100:80"}) {
    CAPTURE(text);
    CHECK(at.refusal(text).starts_with("203.0.113.5 is an address of the NAT, not of the host"));
  }
  CHECK(at.publisher.open.empty());
  CHECK(at.world.gateway.forwards().list().empty());
}

TEST_CASE("a port that cannot be had is named, and nothing of its forward stays")
{
  Published at;
  at.publisher.answer = PublishAnswer::taken;
  CHECK(at.refusal("203.0.113.5:80:10.0.2.100:80")
        == "publish tcp://203.0.113.5:80: Address already in use");
  at.publisher.answer = PublishAnswer::not_a_guest;
  CHECK(at.refusal("203.0.113.5:80:192.168.0.1:80")
        == "publish 192.168.0.1:80 of the guest at tcp://203.0.113.5:80: "
           "Cannot assign requested address");
  at.publisher.answer = PublishAnswer::guest_taken;
  CHECK(at.refusal("203.0.113.5:80:10.0.2.100:80")
        == "publish 10.0.2.100:80 of the guest at tcp://203.0.113.5:80: Address already in use");
  CHECK(at.world.gateway.forwards().list().empty());
}

TEST_CASE("a port is published only while rules let in everybody without a limit")
{
  Published at;
  const auto load = [&](std::string_view text) {
    at.world.gateway.set_rules(RuleSet(parse_rules(text), at.world.gateway.time().now), nullptr);
  };
  at.add("203.0.113.5:80:10.0.2.100:80");
  REQUIRE(at.publisher.open.size() == 1);
  for (const char* closing : {"deny in tcp://any",
                              "deny in tcp://10.0.2.100:80 from 192.0.2.0/24",
                              "allow in tcp://any from 192.0.2.0/24\ndeny in any",
                              "drop any",
                              "allow in any flows 10"}) {
    CAPTURE(closing);
    load(closing);
    CHECK(at.publisher.open.empty());
    CHECK(at.refusal("203.0.113.6:80:10.0.2.100:80")
          == "tcp://203.0.113.6:80 cannot be published: the NAT asks nobody about a client, and a "
             "rule denies or limits some");
    load("");
    CHECK(at.publisher.open.size() == 1);
  }
  for (const char* unconcerned : {"deny out tcp://any",
                                  "deny in udp://any",
                                  "deny in tcp://10.0.2.100:81",
                                  "allow in tcp://any\ndeny in any"}) {
    CAPTURE(unconcerned);
    load(unconcerned);
    CHECK(at.publisher.open.size() == 1);
  }
}

} // namespace slirpstack
