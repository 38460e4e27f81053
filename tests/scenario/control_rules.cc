// The rules file: read anew at run time, with the names in it.

#include "scenario/controlled.hh"
#include "scenario/tcp_guest.hh"

#include <algorithm>
#include <cstdio>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <vector>

namespace slirpstack {

namespace {

using Json = nlohmann::json;

} // namespace

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

TEST_CASE("what is no regular file is no rules file, and nobody waits for it")
{
  const std::string path = std::string(SLIRPSTACK_TEST_FOLDER) + "/no-file.rules";
  std::filesystem::remove_all(path);
  std::ofstream(path) << "deny 192.0.2.1\n";
  Controlled controlled(path);
  CHECK(controlled.ask(R"({"command": "rules reload"})").at("rules") == 1);
  std::filesystem::remove(path);
  const auto refusal = [&] {
    const std::string error = controlled.ask(R"({"command": "rules reload"})").at("error");
    CHECK(controlled.ask(R"({"command": "rules list"})").at("rules").size() == 1);
    return error;
  };
  CHECK(refusal() == fmt::format("cannot read the rules file {}: No such file or directory", path));
  const std::string no_file = fmt::format("the rules file {} must be a regular file", path);
  std::filesystem::create_directory(path);
  CHECK(refusal() == no_file);
  std::filesystem::remove(path);
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  CHECK(refusal() == no_file);
  std::filesystem::remove(path);
  std::filesystem::create_symlink("/dev/zero", path);
  CHECK(refusal() == no_file);
  std::filesystem::remove(path);
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

/// Loads the rules, and gives this answer about evil.example.
RuleLoader::Outcome load(Controlled& controlled, const LookupAnswer& answer)
{
  std::optional<RuleLoader::Outcome> loaded;
  controlled.plane.rules().load([&](const auto& outcome) { loaded = outcome; });
  controlled.world.names.answers("evil.example", answer);
  REQUIRE(loaded);
  return *loaded;
}

const LookupAnswer TIMED_OUT{.addresses = {}, .error = "lookup evil.example: i/o timeout"};
const LookupAnswer FOUND{.addresses = {endpoint("192.0.2.1", 0).address},
                         .lifetime = std::chrono::seconds(60),
                         .error = {}};

} // namespace

TEST_CASE("a reload while the name service is dead keeps what a denied name had")
{
  const RulesFile file("deny evil.example\n");
  Controlled controlled(file.path);
  CHECK(!load(controlled, FOUND).error);
  file.write("deny evil.example:1-65535\n");
  CHECK(!load(controlled, TIMED_OUT).error);
  TcpGuest guest(controlled.world);
  guest.sends(syn());
  controlled.world.expects_icmp(3, 13);
}

TEST_CASE("a denied name that was never known fails the load, one that does not exist does not")
{
  const RulesFile file("deny evil.example\n");
  Controlled controlled(file.path);
  CHECK(load(controlled, TIMED_OUT).error
        == "a rule is against evil.example, whose addresses are not known: lookup evil.example: "
           "i/o timeout");
  CHECK(!load(controlled,
              {.addresses = {}, .error = "lookup evil.example: no such host", .no_such_name = true})
           .error);
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
