// The control socket and the metrics, over a host in memory.

#include "control/answer_text.hh"
#include "control/control_plane.hh"
#include "scenario/tcp_guest.hh"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>

namespace slirpstack {

namespace {

using Json = nlohmann::json;

/// A gateway with a control plane, and a client of its control socket.
struct Controlled
{
  explicit Controlled(const std::string& rules_file = "")
    : plane({.rules_file = rules_file,
             .defaults = {.guest_ipv4 = endpoint("10.0.2.100", 0).address,
                          .guest_ipv6 = endpoint("fd00::100", 0).address,
                          .gateway_ipv4 = endpoint("10.0.2.2", 0).address,
                          .gateway_ipv6 = endpoint("fd00::2", 0).address}},
            world.gateway,
            world.host,
            world.names,
            world.pool,
            [this]() -> const HostNetworks& { return networks; })
  {
    plane.open_socket("/run/control");
    world.host.listener(0).accepts(std::nullopt);
    client = &world.host.last_stream();
  }
  ~Controlled() { world.gateway.close_all(); }
  Controlled(const Controlled&) = delete;
  Controlled& operator=(const Controlled&) = delete;
  Controlled(Controlled&&) = delete;
  Controlled& operator=(Controlled&&) = delete;

  /// What has been answered since the last call.
  std::string answers()
  {
    while (plane.flush()) {}
    const std::string all = client->sent();
    std::string fresh = all.substr(read);
    read = all.size();
    return fresh;
  }
  Json ask(const std::string& request)
  {
    client->has(request + '\n');
    const std::string answer = answers();
    REQUIRE(answer.ends_with('\n'));
    REQUIRE(std::ranges::count(answer, '\n') == 1);
    return Json::parse(answer);
  }

  World world;
  HostNetworks networks;
  ControlPlane plane;
  FakeStream* client = nullptr;
  std::size_t read = 0;
};

} // namespace

TEST_CASE("forwards are added, listed and removed at run time")
{
  Controlled controlled;
  const Json added
    = controlled.ask(R"({"command": "forward add", "local": "203.0.113.1:8080::80"})");
  CHECK(added.at("ok") == true);
  CHECK(added.at("id") == 1);
  CHECK(added.at("listening") == Json::array({"203.0.113.1:8080"}));
  CHECK(controlled.ask(R"({"command": "forward add", "remote": "8081"})").at("id") == 2);
  const Json listed = controlled.ask(R"({"command": "forward list"})");
  CHECK(listed.at("forwards").size() == 2);
  CHECK(listed.at("forwards")[1].at("matching") == Json::array({"10.0.2.2:8081"}));
  CHECK(controlled.ask(R"({"command": "forward remove", "id": 1})").at("ok") == true);
  CHECK(controlled.ask(R"({"command": "forward remove", "id": 1})").at("ok") == false);
  CHECK(controlled.ask(R"({"command": "forward list"})").at("forwards").size() == 1);
}

TEST_CASE("a forward that drains is listed as such, and can be removed for good")
{
  Controlled controlled;
  controlled.ask(R"({"command": "forward add", "local": "udp://203.0.113.1:8080::80"})");
  controlled.world.host.datagrams(0).receives(endpoint("198.51.100.7", 51000), "x");
  CHECK(controlled.ask(R"({"command": "forward remove", "id": 1, "drain": true})").at("ok")
        == true);
  const Json listed = controlled.ask(R"({"command": "forward list"})").at("forwards");
  REQUIRE(listed.size() == 1);
  CHECK(listed[0].at("draining") == true);
  CHECK(listed[0].at("flows") == 1);
  const std::string shown
    = answer_text(ListForwards{}, Json{{"ok", true}, {"forwards", listed}}.dump()).text;
  CHECK(shown.ends_with("1 flows, draining\n"));
  CHECK(controlled.ask(R"({"command": "forward remove", "id": 1})").at("ok") == true);
  CHECK(controlled.ask(R"({"command": "forward list"})").at("forwards").empty());
}

TEST_CASE("an add that fails says why and changes nothing")
{
  Controlled controlled;
  CHECK(controlled.ask(R"({"command": "forward add", "local": "sctp://80"})").at("error")
        == "unknown scheme \"sctp\": must be tcp, udp, udprpc, tcppp or udpspp");
  controlled.world.host.refuses_to_open(host_error(EADDRINUSE));
  CHECK(controlled.ask(R"({"command": "forward add", "local": "8080"})").at("ok") == false);
  CHECK(controlled.ask(R"({"command": "forward list"})").at("forwards").empty());
}

TEST_CASE("an answer that waits for a name keeps the order; a client that leaves is forgotten")
{
  Controlled controlled;
  controlled.client->has(R"({"command": "forward add", "local": "web.example:8080"})"
                         "\n"
                         R"({"command": "statistics"})"
                         "\n");
  CHECK(controlled.answers().empty());
  controlled.world.names.answers("web.example",
                                 {.addresses = {endpoint("203.0.113.1", 0).address}});
  const std::string answers = controlled.answers();
  CHECK(std::ranges::count(answers, '\n') == 2);
  CHECK(answers.starts_with(R"({"ok":true,"id":1)"));

  controlled.client->has(
    R"({"command": "explain", "protocol": "tcp", "destination": "a.example:1"})"
    "\n");
  controlled.client->resets();
  controlled.world.names.answers("a.example", {.addresses = {endpoint("192.0.2.1", 0).address}});
}

TEST_CASE("what is no request gets an answer that says so")
{
  Controlled controlled;
  for (const char* line : {"nonsense",
                           "[]",
                           "{}",
                           R"({"command": 1})",
                           R"({"command": "dance"})",
                           R"({"command": "forward add"})",
                           R"({"command": "forward list", "more": 1})",
                           R"({"command": "forward remove", "id": -1})"}) {
    CAPTURE(line);
    const Json answer = controlled.ask(line);
    CHECK(answer.at("ok") == false);
    CHECK_FALSE(answer.at("error").get<std::string>().empty());
  }
}

TEST_CASE("a request without end ends the connection")
{
  Controlled controlled;
  controlled.client->has(std::string(ControlSocket::MAX_REQUEST_BYTES + 1, 'x'));
  controlled.answers();
  CHECK(controlled.client->closed());
}

TEST_CASE("a client that sends without end has its part of each turn, and no more")
{
  for (const std::string& text : {std::string("\n"),
                                  std::string(" \r\n"),
                                  std::string("{\"command\":\"forward list\"}\n"),
                                  std::string("x")}) {
    CAPTURE(text);
    Controlled controlled;
    std::string flood;
    while (flood.size() < 1 << 20) {
      flood += text;
    }
    controlled.client->has(flood);
    const std::size_t after_one = controlled.client->unread_bytes();
    CHECK(flood.size() - after_one >= 1000);
    CHECK(flood.size() - after_one <= 300 << 10);
    CHECK(std::ranges::count(controlled.client->sent(), '\n') <= 64);
    std::size_t turns = 1;
    while (controlled.plane.flush()) {
      ++turns;
    }
    CHECK(turns >= 4);
    CHECK(controlled.client->unread_bytes() == 0);
    CHECK_FALSE(controlled.client->closed());
    controlled.answers();
    if (text != "x") {
      CHECK(controlled.ask("{\"command\":\"forward list\"}").at("ok") == true);
    }
  }
}

TEST_CASE("a client that leaves with work undone is forgotten")
{
  Controlled controlled;
  controlled.client->has(std::string(1 << 20, '\n'));
  controlled.client->resets();
  CHECK(controlled.client->closed());
  CHECK_FALSE(controlled.plane.flush());
}

TEST_CASE("the names of a large rules file are looked up a few at a time")
{
  const std::string path = std::string(SLIRPSTACK_TEST_FOLDER) + "/many-names.rules";
  std::string text;
  for (int i = 0; i < 10'000; ++i) {
    text += fmt::format("allow host{}.example\n", i);
  }
  std::ofstream(path) << text;
  Controlled controlled(path);
  std::optional<RuleLoader::Outcome> loaded;
  controlled.plane.rules().load([&](const auto& outcome) { loaded = outcome; });
  std::size_t most = 0;
  for (int i = 0; i < 10'000; ++i) {
    most = std::max(most, controlled.world.names.waiting());
    REQUIRE(controlled.world.names.answers_next(
      {.addresses = {endpoint("192.0.2.1", 0).address}, .lifetime = std::chrono::seconds(60)}));
  }
  CHECK(most == 64);
  REQUIRE(loaded);
  CHECK(loaded->rules == 10'000);
  std::remove(path.c_str());
}

TEST_CASE("explain tells the rule, the service and the forward behind a decision")
{
  Controlled controlled;
  controlled.world.gateway.set_rules(
    {parse_rules("deny 192.0.2.0/24:80\n"), controlled.world.now()}, nullptr);
  const auto explain = [&](const std::string& destination) {
    controlled.client->has(R"({"command":"explain","protocol":"tcp","destination":")" + destination
                           + "\"}\n");
    const std::string host = destination.substr(0, destination.find(':'));
    controlled.world.names.answers(host, {.addresses = {endpoint(host, 0).address}});
    return Json::parse(controlled.answers()).at("explanations").at(0);
  };
  const Json denied = explain("192.0.2.1:80");
  CHECK(denied.at("verdict") == "denied");
  CHECK(denied.at("by") == "line 1: deny 192.0.2.0/24:80");
  CHECK(explain("192.0.2.1:81").at("allowed") == true);
  CHECK(explain("127.0.0.1:81").at("by") == "loopback");
  CHECK(explain("10.0.2.3:53").at("by") == "it is our DNS service");
  const Json closed = explain("10.0.2.2:80");
  CHECK(closed.at("verdict") == "denied");
  CHECK(closed.at("by") == "the gateway listens on no such port; -R makes one");
  controlled.ask(R"({"command": "forward add", "remote": "80"})");
  const Json forwarded = explain("10.0.2.2:80");
  CHECK(forwarded.at("verdict") == "forwarded");
  CHECK(forwarded.at("by") == "forward 1");
  controlled.client->has(R"({"command":"explain","protocol":"icmp","destination":"10.0.2.2"})"
                         "\n");
  controlled.world.names.answers("10.0.2.2", {.addresses = {endpoint("10.0.2.2", 0).address}});
  const Json echo = Json::parse(controlled.answers()).at("explanations").at(0);
  CHECK(echo.at("by") == "the gateway answers pings itself");
}

TEST_CASE("rules are reloaded as a whole or not at all")
{
  const std::string path = std::string(SLIRPSTACK_TEST_FOLDER) + "/control.rules";
  const auto write = [&](std::string_view text) { std::ofstream(path) << text; };
  write("deny 192.0.2.1\n");
  Controlled controlled(path);
  CHECK(controlled.ask(R"({"command": "rules reload"})").at("rules") == 1);
  write("deny 192.0.2.1\ndeny 192.0.2.2\nallw any\n");
  const std::string error = controlled.ask(R"({"command": "rules reload"})").at("error");
  CHECK(error.find("line 3, column 1") != std::string::npos);
  CHECK(controlled.ask(R"({"command": "rules list"})").at("rules").size() == 1);
}

TEST_CASE("a reload waits for the names in the file")
{
  const std::string path = std::string(SLIRPSTACK_TEST_FOLDER) + "/names.rules";
  std::ofstream(path) << "allow web.example\n";
  Controlled controlled(path);
  controlled.client->has("{\"command\": \"rules reload\"}\n");
  CHECK(controlled.answers().empty());
  CHECK(controlled.world.gateway.policy().rules().empty());
  controlled.world.names.answers(
    "web.example",
    {.addresses = {endpoint("192.0.2.9", 0).address}, .lifetime = std::chrono::seconds(60)});
  CHECK(Json::parse(controlled.answers()).at("rules") == 1);
  CHECK(controlled.world.gateway.policy().rules().rules()[0]->addresses
        == std::vector{endpoint("192.0.2.9", 0).address});
  CHECK(controlled.plane.next_deadline() == controlled.world.now() + std::chrono::seconds(60));
}

TEST_CASE("statistics and flows tell what is going on")
{
  Controlled controlled;
  TcpGuest guest(controlled.world);
  guest.connects();
  guest.sends(data("hello"));
  const Json statistics = controlled.ask(R"({"command": "statistics"})");
  CHECK(statistics.at("flows").at("tcp").at("open") == 1);
  CHECK(statistics.at("flows").at("tcp").at("to_host_bytes") == 5);
  const Json flows = controlled.ask(R"({"command": "flows"})").at("flows");
  REQUIRE(flows.size() == 1);
  CHECK(flows[0].at("guest") == "10.0.2.100:40000");
  CHECK(flows[0].at("origin") == "outbound");
}

TEST_CASE("metrics are answered over HTTP")
{
  Controlled controlled;
  controlled.plane.serve_metrics({.address = endpoint("127.0.0.1", 9000), .device = {}});
  const auto get = [&](const std::string& request) {
    controlled.world.host.listener(1).accepts(endpoint("127.0.0.1", 5000));
    FakeStream& client = controlled.world.host.last_stream();
    client.has(request);
    CHECK(client.closed());
    return client.sent();
  };
  CHECK(get("GET /health HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("\r\n\r\nok\n"));
  const std::string metrics = get("GET /metrics?x=1 HTTP/1.0\r\n\r\n");
  CHECK(metrics.find("slirpstack_flows{protocol=\"tcp\"} 0\n") != std::string::npos);
  CHECK(metrics.ends_with("# EOF\n"));
  CHECK(get("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("\r\n\r\n"));
  CHECK(get("GET /other HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 404"));
  CHECK(get("POST /metrics HTTP/1.1\r\nContent-Length: 2\r\n\r\nab").starts_with("HTTP/1.1 405"));
  CHECK(get("nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
  CHECK(get("GET /" + std::string(20000, 'a')).starts_with("HTTP/1.1 400"));
}

TEST_CASE("a Unix socket for metrics is its owner's, and a guest gets nothing there")
{
  Controlled controlled;
  controlled.plane.serve_metrics({.address = UnixPath{"/run/metrics"}, .device = {}});
  FakeListener& listener = controlled.world.host.listener(1);
  CHECK(listener.options().unix_mode == 0600);
  listener.accepts_confined();
  CHECK(controlled.world.host.last_stream().closed());
  listener.accepts(std::nullopt);
  FakeStream& client = controlled.world.host.last_stream();
  client.has("GET /health HTTP/1.1\r\n\r\n");
  CHECK(client.sent().ends_with("ok\n"));
}

namespace {

/// A rules file that goes with the test.
struct RulesFile
{
  explicit RulesFile(const std::string& text) { write(text); }
  ~RulesFile() { std::remove(path.c_str()); }
  RulesFile(const RulesFile&) = delete;
  RulesFile& operator=(const RulesFile&) = delete;
  RulesFile(RulesFile&&) = delete;
  RulesFile& operator=(RulesFile&&) = delete;

  void write(const std::string& text) const { std::ofstream(path) << text; }

  std::string path = std::string(SLIRPSTACK_TEST_FOLDER) + "/names.rules";
};

const LookupAnswer TIMED_OUT{.addresses = {}, .error = "lookup evil.example: i/o timeout"};
const LookupAnswer FOUND{.addresses = {endpoint("192.0.2.1", 0).address},
                         .lifetime = std::chrono::seconds(60),
                         .error = {}};

} // namespace

TEST_CASE("a reload while the name service is dead keeps what a denied name had")
{
  const RulesFile file("deny evil.example\n");
  Controlled controlled(file.path);
  std::vector<RuleLoader::Outcome> outcomes;
  const auto load = [&](const LookupAnswer& answer) {
    controlled.plane.rules().load([&](const auto& outcome) { outcomes.push_back(outcome); });
    controlled.world.names.answers("evil.example", answer);
  };
  load(FOUND);
  file.write("deny evil.example:1-65535\n");
  load(TIMED_OUT);
  REQUIRE(outcomes.size() == 2);
  CHECK(!outcomes[0].error);
  CHECK(!outcomes[1].error);
  TcpGuest guest(controlled.world);
  guest.sends(syn());
  controlled.world.expects_icmp(3, 13);
}

TEST_CASE("a denied name that was never known fails the load, one that does not exist does not")
{
  const RulesFile file("deny evil.example\n");
  Controlled controlled(file.path);
  std::vector<RuleLoader::Outcome> outcomes;
  const auto load = [&](const LookupAnswer& answer) {
    controlled.plane.rules().load([&](const auto& outcome) { outcomes.push_back(outcome); });
    controlled.world.names.answers("evil.example", answer);
  };
  load(TIMED_OUT);
  load({.addresses = {}, .error = "lookup evil.example: no such host", .no_such_name = true});
  REQUIRE(outcomes.size() == 2);
  CHECK(outcomes[0].error
        == "a rule is against evil.example, whose addresses are not known: lookup evil.example: "
           "i/o timeout");
  CHECK(!outcomes[1].error);
}

namespace {

/// Loads the rules, and notes what was told in which order: `name: rules`, or the error.
void load_and_note(Controlled& controlled, std::vector<std::string>& told, const std::string& name)
{
  controlled.plane.rules().load([&told, name](const RuleLoader::Outcome& outcome) {
    told.push_back(name + ": " + outcome.error.value_or(std::to_string(outcome.rules)));
  });
}

} // namespace

TEST_CASE("a load that is under way ends first; then the file is read once for all who wait")
{
  const RulesFile file("deny evil.example\n");
  Controlled controlled(file.path);
  std::vector<std::string> told;
  load_and_note(controlled, told, "first");
  file.write("deny evil.example\ndeny 192.0.2.7\n");
  load_and_note(controlled, told, "second");
  file.write("deny evil.example\ndeny 192.0.2.7\ndeny 192.0.2.8\n");
  load_and_note(controlled, told, "third");
  CHECK(told.empty());
  controlled.world.names.answers("evil.example", FOUND);
  CHECK(told == std::vector<std::string>{"first: 1"});
  CHECK(controlled.world.gateway.policy().rules().rules().size() == 1);
  controlled.world.names.answers("evil.example", FOUND);
  CHECK(told == std::vector<std::string>{"first: 1", "second: 3", "third: 3"});
  CHECK(controlled.world.names.waiting() == 0);
}

TEST_CASE("reloads that come faster than answers cannot keep the rules from their effect")
{
  const RulesFile file("deny evil.example\n");
  Controlled controlled(file.path);
  for (int i = 0; i < 10; ++i) {
    controlled.plane.rules().load([](const auto&) {});
    controlled.plane.rules().load([](const auto&) {});
    controlled.world.names.answers("evil.example", FOUND);
    CHECK(controlled.world.gateway.policy().rules().rules().size() == 1);
  }
}

TEST_CASE(
  "whoever asks when told of a load gets one of his own; a mistake is told to those it meets")
{
  const RulesFile file("deny evil.example\n");
  Controlled controlled(file.path);
  std::vector<std::string> told;
  controlled.plane.rules().load([&](const RuleLoader::Outcome&) {
    file.write("nonsense\n");
    load_and_note(controlled, told, "again");
    CHECK(told.empty());
  });
  load_and_note(controlled, told, "waiting");
  controlled.world.names.answers("evil.example", FOUND);
  REQUIRE(told.size() == 2);
  CHECK(told[0].starts_with("waiting: " + file.path + ": line 1"));
  CHECK(told[1].starts_with("again: " + file.path + ": line 1"));
  CHECK(controlled.world.gateway.policy().rules().rules().size() == 1);
}

TEST_CASE("rules do not take a name's addresses from what is kept for forwards")
{
  const RulesFile file("deny evil.example\n");
  Controlled controlled(file.path);
  controlled.plane.rules().load([](const auto&) {});
  controlled.world.names.answers("evil.example", FOUND);
  controlled.world.advance(std::chrono::seconds(61));
  controlled.plane.rules().on_deadline();
  CHECK(controlled.world.names.waiting() == 1);
  CHECK(controlled.world.names.not_afresh() == 0);
}

TEST_CASE("reloads that a client sends in a row are each answered")
{
  const RulesFile file("deny evil.example\n");
  Controlled controlled(file.path);
  controlled.client->has("{\"command\": \"rules reload\"}\n{\"command\": \"rules reload\"}\n");
  controlled.world.names.answers("evil.example", FOUND);
  controlled.world.names.answers("evil.example", FOUND);
  const std::string answers = controlled.answers();
  CHECK(std::ranges::count(answers, '\n') == 2);
  CHECK(answers.find("\"ok\":false") == std::string::npos);
}

TEST_CASE("a flow outlives an answer that no longer has its address")
{
  const RulesFile file("allow partner.example\ndeny any\n");
  Controlled controlled(file.path);
  controlled.plane.rules().load([](const auto&) {});
  controlled.world.names.answers("partner.example", FOUND);
  TcpGuest guest(controlled.world);
  guest.connects();
  controlled.world.advance(std::chrono::seconds(61));
  controlled.plane.rules().on_deadline();
  LookupAnswer other = FOUND;
  other.addresses = {endpoint("192.0.2.9", 0).address};
  CHECK(controlled.world.names.answers("partner.example", other) == 1);
  controlled.world.settle();
  guest.sends(data("still here"));
  CHECK(guest.host().sent() == "still here");
}

TEST_CASE("flows to a name's new address end when a rule is against it")
{
  const RulesFile file("deny evil.example\n");
  Controlled controlled(file.path);
  controlled.plane.rules().load([](const auto&) {});
  LookupAnswer other = FOUND;
  other.addresses = {endpoint("192.0.2.9", 0).address};
  controlled.world.names.answers("evil.example", other);
  TcpGuest guest(controlled.world);
  guest.connects();
  controlled.world.advance(std::chrono::seconds(61));
  controlled.plane.rules().on_deadline();
  CHECK(controlled.world.names.answers("evil.example", FOUND) == 1);
  guest.expects(RST_ACK);
}

} // namespace slirpstack
