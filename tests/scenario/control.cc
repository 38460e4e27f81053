// The control socket, over a host in memory.

#include "control/answer_text.hh"
#include "scenario/controlled.hh"
#include "scenario/tcp_guest.hh"

#include <algorithm>
#include <cerrno>
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

namespace slirpstack {

namespace {

using Json = nlohmann::json;

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

} // namespace slirpstack
