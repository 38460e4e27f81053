// The control socket and the metrics, over a host in memory.

#include "control/control_plane.hh"
#include "scenario/tcp_guest.hh"

#include <doctest/doctest.h>
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
  CHECK(controlled.client->closed());
}

TEST_CASE("explain tells the rule, the service and the forward behind a decision")
{
  Controlled controlled;
  controlled.world.gateway.set_rules(
    {parse_rules("deny 192.0.2.0/24:80\n"), controlled.world.now()});
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

TEST_CASE("a load that is asked for during another ends both")
{
  const RulesFile file("deny evil.example\n");
  Controlled controlled(file.path);
  int ended = 0;
  const auto count = [&](const RuleLoader::Outcome& outcome) { ended += outcome.error ? 0 : 1; };
  controlled.plane.rules().load(count);
  controlled.plane.rules().load(count);
  CHECK(ended == 0);
  controlled.world.names.answers("evil.example", FOUND);
  CHECK(ended == 2);
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
