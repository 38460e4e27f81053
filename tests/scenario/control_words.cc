// What is typed after `slirpstack ctl SOCKET`.

#include "control/request.hh"
#include "control/usage.hh"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sstream>

namespace slirpstack {

namespace {

using Words = std::vector<std::string>;

Words words_of(std::string_view text)
{
  std::istringstream stream{std::string(text)};
  Words words;
  for (std::string word; stream >> word;) {
    words.push_back(word);
  }
  return words;
}

std::string error_of(const Words& words)
{
  try {
    static_cast<void>(parse_request_words(words));
  } catch (const RequestError& error) {
    return error.what();
  }
  return "no error";
}

} // namespace

TEST_CASE("a forward is added in each form that the command line has")
{
  for (const char* text : {"-L 8084",
                           "-L=8084",
                           "--L=8084",
                           "-local-forward 8084",
                           "--local-forward 8084",
                           "--local-forward=8084"}) {
    CAPTURE(text);
    Words words = words_of(text);
    words.insert(words.begin(), {"forward", "add"});
    CHECK(std::get<AddForward>(parse_request_words(words))
          == AddForward{ForwardDirection::local, "8084"});
  }
  CHECK(std::get<AddForward>(parse_request_words(words_of("forward add -remote-forward=5=6")))
        == AddForward{ForwardDirection::remote, "5=6"});
}

TEST_CASE("a forward that names nothing is a value that was forgotten")
{
  for (const char* spec : {"", ":", "tcp://", "[]"}) {
    CAPTURE(spec);
    CHECK(error_of({"forward", "add", "-L", spec})
            .ends_with("must name a port; 0 is one of the host's choice"));
    CHECK(error_of({"forward", "add", "-R", spec}).ends_with("must name a port"));
  }
  CHECK(error_of({"forward", "add", "-L", "0"}) == "no error");
}

TEST_CASE("words that are no command get the form in which they can be typed")
{
  CHECK(error_of({"rules", "show"}) == "usage: slirpstack ctl SOCKET rules list | rules reload");
  for (const char* text : {"forward",
                           "forward add",
                           "forward add -L",
                           "forward add -X 80",
                           "forward add -L=80 81",
                           "forward remove"}) {
    CAPTURE(text);
    CHECK(
      error_of(words_of(text)).starts_with("usage: slirpstack ctl SOCKET forward add -L SPEC | "));
  }
  for (const char* destination : {"192.0.2.1:4", "a:80", "[2001:db8::1]:80"}) {
    CAPTURE(destination);
    CHECK(error_of({"explain", "icmp", destination})
          == fmt::format("destination \"{}\" of icmp must be a HOST, without a port", destination));
  }
  for (const char* destination : {"192.0.2.1", "a", "2001:db8::1", "[2001:db8::1]"}) {
    CAPTURE(destination);
    CHECK(error_of({"explain", "icmp", destination}) == "no error");
  }
  CHECK(error_of({"flows", "all"}) == "usage: slirpstack ctl SOCKET flows");
  CHECK(error_of({"floes"}) == "no such command \"floes\" (slirpstack ctl -h lists them)");
}

TEST_CASE("the help of ctl fits a terminal and has each command that can be typed")
{
  const std::string help = control_help();
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    CHECK(line.size() <= 80);
  }
  for (const char* text : {"forward list",
                           "forward remove 1 -drain",
                           "rules list",
                           "rules reload",
                           "explain in tcp a:1",
                           "explain icmp a",
                           "flows",
                           "statistics",
                           "map add i a b neutral",
                           "map add i a b open",
                           "map add i a b neutral open",
                           "map del i a",
                           "map drop -all",
                           "map list i",
                           "map status",
                           "map batch -delete f",
                           "map resolve a"}) {
    CAPTURE(text);
    const Words words = words_of(text);
    CHECK(error_of(words) == "no error");
    const bool has_verb = words.size() > 1 && words[0] != "explain";
    const std::string begin = has_verb ? fmt::format("{} {}", words[0], words[1]) : words[0];
    CHECK(help.find(fmt::format("\n  {}", begin)) != std::string::npos);
  }
}

} // namespace slirpstack
