// The prefix map over control sockets: the owner's and restricted ones.

#include "control/answer_text.hh"
#include "control/control_plane.hh"
#include "scenario/world.hh"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

namespace slirpstack {

namespace {

using Json = nlohmann::json;

/// A gateway with the owner's socket, one that may change and one that only shows.
struct Sockets
{
  Sockets()
    : plane({.rules_file = {}, .defaults = {}},
            world.gateway,
            world.host,
            world.names,
            world.pool,
            [this]() -> const HostNetworks& { return networks; })
  {
    const std::vector inside{Prefix::parse("fd00:1::/48").value()};
    networks.add(HostNetworks::Kind::own_address, Prefix::parse("2001:db8:1::/48").value());
    plane.open_socket("/run/owner");
    plane.open_restricted_socket("/run/writing",
                                 MapScope(inside, {Prefix::parse("2001:db8:1::/48").value()}));
    plane.open_restricted_socket("/run/reading", MapScope(inside, {}));
  }
  ~Sockets() { world.gateway.close_all(); }
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;
  Sockets(Sockets&&) = delete;
  Sockets& operator=(Sockets&&) = delete;

  /// The answer of one of the sockets, by its number.
  std::string answer(std::size_t socket, const Request& request)
  {
    world.host.listener(socket).accepts(std::nullopt);
    FakeStream& client = world.host.last_stream();
    client.has(serialize(request) + '\n');
    while (plane.flush()) {}
    std::string answer = client.sent();
    client.eof();
    return answer;
  }
  /// What a user of `ctl` sees: text, then complaint.
  std::string ctl(std::size_t socket, std::vector<std::string> words)
  {
    words.insert(words.begin(), "map");
    const Request request = parse_request_words(words);
    const AnswerText text = answer_text(request, answer(socket, request));
    return text.text + text.error + fmt::format("{}", fmt::join(text.warnings, "\n"));
  }
  std::string batch(std::size_t socket, const std::string& text)
  {
    const BatchMap request{.text = text};
    const AnswerText answered = answer_text(request, answer(socket, request));
    return answered.error + fmt::format("{}", fmt::join(answered.warnings, "\n"));
  }

  World world;
  HostNetworks networks;
  ControlPlane plane;
};

constexpr std::size_t OWNER = 0;
constexpr std::size_t WRITING = 1;
constexpr std::size_t READING = 2;
const std::string HEADER = "# Prefix mappings of the namespace\n"
                           "# INTERFACE INTERNAL/LENGTH -> EXTERNAL/LENGTH\n";

} // namespace

TEST_CASE("mappings are added, listed, counted, resolved and removed")
{
  Sockets sockets;
  CHECK(sockets.ctl(OWNER, {"add", "eth0", "fd00:1::/64", "2001:db8:1::/64"}).empty());
  CHECK(
    sockets.ctl(OWNER, {"add", "eth1", "fd01:203:405::/48", "2001:db8:1::/48", "neutral"}).empty());
  CHECK(sockets.ctl(OWNER, {"list"})
        == HEADER
             + "eth0 fd00:1::/64 -> 2001:db8:1::/64\n"
               "eth1 fd01:203:405::/48 -> 2001:db8:1::/48 neutral\n");
  CHECK(sockets.ctl(OWNER, {"list", "eth0"}) == HEADER + "eth0 fd00:1::/64 -> 2001:db8:1::/64\n");
  CHECK(sockets.ctl(OWNER, {"status"}) == "2 mappings\neth0: 1\neth1: 1\n");
  CHECK(sockets.ctl(OWNER, {"resolve", "fd01:203:405:1::1234"})
        == "fd01:203:405:1::1234 -> 2001:db8:1:d550::1234  "
           "(eth1 fd01:203:405::/48 -> 2001:db8:1::/48 neutral)\n");
  CHECK(sockets.ctl(OWNER, {"resolve", "2001:db8:1::5"})
        == "2001:db8:1::5 <- fd00:1::5  (eth0 fd00:1::/64 -> 2001:db8:1::/64)\n");
  CHECK(sockets.ctl(OWNER, {"resolve", "2001:db8:9::5"}) == "2001:db8:9::5 is in no mapping");
  CHECK(sockets.ctl(OWNER, {"resolve", "10.0.0.1"}) == "\"10.0.0.1\" is no IPv6 address");
  CHECK(sockets.ctl(OWNER, {"del", "eth0", "fd00:1::/64"}).empty());
  CHECK(sockets.ctl(OWNER, {"drop", "-all"}).empty());
  CHECK(sockets.world.gateway.prefixes().empty());
}

TEST_CASE("an open mapping is listed as one, in text and in JSON")
{
  Sockets sockets;
  const ChangeMapping add{.interface = "eth0",
                          .internal = "fd00:1::/64",
                          .external = "2001:db8:1::/64",
                          .neutral = true,
                          .open = true};
  CHECK(Json::parse(sockets.answer(OWNER, add)).value("code", "") == "EOPNOTSUPP");
  sockets.world.gateway.prefixes().allow_open();
  const Json answer = Json::parse(sockets.answer(OWNER, add));
  CHECK(answer.value("ok", false));
  CHECK_FALSE(answer.contains("without_local_route"));
  CHECK(sockets.ctl(OWNER, {"list"})
        == HEADER + "eth0 fd00:1::/64 -> 2001:db8:1::/64 neutral open\n");
  const Json listed = Json::parse(sockets.answer(OWNER, ListMappings{})).at("mappings").at(0);
  CHECK(listed.at("open") == true);
  CHECK(sockets.batch(OWNER, "drop --all\nadd eth0 fd00:1::/64 2001:db8:1::/64 open\n").empty());
  CHECK(sockets.ctl(OWNER, {"list"}) == HEADER + "eth0 fd00:1::/64 -> 2001:db8:1::/64 open\n");
}

TEST_CASE("a change that cannot be made says why, with the name of its error")
{
  Sockets sockets;
  const ChangeMapping add{
    .interface = "eth0", .internal = "fd00:1::/64", .external = "2001:db8:1::/64"};
  const auto code = [&](ChangeMapping request) {
    return Json::parse(sockets.answer(OWNER, request)).value("code", "");
  };
  CHECK(code(add).empty());
  CHECK(code(add) == "EEXIST");
  ChangeMapping other = add;
  other.external = "2001:db8:1::/48";
  CHECK(code(other) == "EINVAL");
  other.kind = MapEdit::Kind::remove;
  other.interface = "eth1";
  CHECK(code(other) == "ENOENT");
  other.interface = "eth0\nadd eth1";
  CHECK(code(other) == "EINVAL");
  CHECK(sockets.batch(OWNER, "drop --all\nadd eth0 fd00:1::/64\n")
        == "line 2, column 21: external prefix \"\": must be IPv6 with a length from 0 to 128, as "
           "in 2001:db8:1::/64");
  CHECK(sockets.world.gateway.prefixes().size() == 1);
}

TEST_CASE("ten thousand mappings fit into one batch")
{
  Sockets sockets;
  std::string text;
  for (unsigned number = 0; number < PrefixMap::MAX_MAPPINGS; ++number) {
    text += fmt::format("add interface-names fd00:1111:2222:{0:04x}:3333:4444:5555:6666/128 "
                        "2001:db8:2222:{0:04x}:3333:4444:5555:6666/128\n",
                        number);
  }
  CHECK(sockets.batch(OWNER, text)
          .starts_with("nothing leaves from 2001:db8:2222:0:3333:4444:5555:6666/128 until"));
  CHECK(sockets.world.gateway.prefixes().size() == PrefixMap::MAX_MAPPINGS);
}

TEST_CASE("who adds a mapping hears when the host does not take its prefix")
{
  Sockets sockets;
  CHECK(sockets.ctl(OWNER, {"add", "eth0", "fd00:1::/64", "2001:db8:7::/64"})
        == "nothing leaves from 2001:db8:7::/64 until the host runs: "
           "ip -6 route add local 2001:db8:7::/64 dev lo");
  CHECK(sockets.batch(OWNER,
                      "add eth0 fd00:2::/64 2001:db8:8::/64\n"
                      "add eth0 fd00:3::/64 2001:db8:9::/64\n")
        == "nothing leaves from 2001:db8:8::/64 until the host runs: "
           "ip -6 route add local 2001:db8:8::/64 dev lo\n"
           "nothing leaves from 2001:db8:9::/64 until the host runs: "
           "ip -6 route add local 2001:db8:9::/64 dev lo");
  CHECK(sockets.world.gateway.prefixes().size() == 3);
}

TEST_CASE("a restricted socket shows and changes its own mappings, and knows nothing else")
{
  Sockets sockets;
  CHECK(sockets
          .batch(OWNER,
                 "add eth0 fd00:2::/64 2001:db8:2::/64\n"
                 "add eth0 fd00:1:0:9::/64 2001:db8:9::/64\n")
          .starts_with("nothing leaves from "));
  CHECK(sockets.ctl(WRITING, {"add", "eth0", "fd00:1::/64", "2001:db8:1::/64"}).empty());
  const std::string own = HEADER
                          + "eth0 fd00:1::/64 -> 2001:db8:1::/64\n"
                            "eth0 fd00:1:0:9::/64 -> 2001:db8:9::/64\n";
  CHECK(sockets.ctl(WRITING, {"list"}) == own);
  CHECK(sockets.ctl(READING, {"list"}) == own);
  CHECK(sockets.ctl(WRITING, {"resolve", "fd00:2::1"}) == "fd00:2::1 is in no mapping");
  CHECK(sockets.ctl(READING, {"resolve", "fd00:1::1"}).starts_with("fd00:1::1 -> 2001:db8:1::1"));

  CHECK(sockets.ctl(WRITING, {"add", "eth0", "fd00:2::/72", "2001:db8:1::/72"})
        == "fd00:2::/72 is not yours to map");
  CHECK(sockets.ctl(WRITING, {"add", "eth0", "fd00:1::/72", "2001:db8:2::/72"})
        == "2001:db8:2::/72 is not yours to map");
  CHECK(sockets.ctl(WRITING, {"del", "eth0", "fd00:1:0:9::/64"})
        == "fd00:1:0:9::/64 is not yours to map");
  CHECK(sockets.ctl(READING, {"drop", "-all"}) == "this socket only shows mappings");
  CHECK(sockets.ctl(WRITING, {"drop", "-all"}).empty());
  CHECK(sockets.world.gateway.prefixes().size() == 2);

  for (const Request& request : {Request(ListForwards()), Request(ListFlows())}) {
    CHECK(Json::parse(sockets.answer(WRITING, request)).at("ok") == false);
  }
}

TEST_CASE("a restricted socket is open to users of a container, the owner's is not")
{
  Sockets sockets;
  CHECK(sockets.world.host.listener(OWNER).options().unix_mode == 0600);
  CHECK(sockets.world.host.listener(WRITING).options().unix_mode == 0666);
  for (int client = 0; client < 5; ++client) {
    sockets.world.host.listener(READING).accepts(std::nullopt);
  }
  CHECK(sockets.world.host.last_stream().closed()); // the fifth
}

TEST_CASE("a container that floods its socket is sent away, others go on")
{
  Sockets sockets;
  const std::string list = serialize(ListMappings()) + '\n';
  const auto sends = [&](std::size_t socket, const std::string& requests) -> FakeStream& {
    sockets.world.host.listener(socket).accepts(std::nullopt);
    FakeStream& client = sockets.world.host.last_stream();
    client.has(requests);
    while (sockets.plane.flush()) {}
    return client;
  };
  std::string many;
  for (int number = 0; number < 17; ++number) {
    many += list;
  }
  FakeStream& patient = sends(READING, list);
  FakeStream& flood = sends(READING, many);
  CHECK(flood.closed());
  CHECK(sends(READING, many + std::string(100'000, '\n')).unread_bytes() > 80'000);
  CHECK(std::ranges::count(flood.sent(), '\n') == 16);
  CHECK(sends(READING, std::string(17, '\n')).closed());
  CHECK(sends(READING, std::string((256 << 10) + 1, 'x')).closed());
  CHECK_FALSE(sends(OWNER, many).closed());
  for (int number = 0; number < 20; ++number) {
    patient.has(list); // with pauses
  }
  CHECK_FALSE(patient.closed());
}

} // namespace slirpstack
