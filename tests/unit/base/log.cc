#include "base/log.hh"

#include "base/file_descriptor.hh"
#include "base/last_word.hh"

#include <algorithm>
#include <array>
#include <cstdio>
#include <doctest/doctest.h>
#include <functional>
#include <nlohmann/json.hpp>
#include <unistd.h>

using namespace slirpstack;

namespace {

/// What is written to standard error meanwhile.
std::string written_by(const std::function<void()>& act)
{
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const FileDescriptor reader(ends[0]);
  FileDescriptor writer(ends[1]);
  const FileDescriptor before(::dup(STDERR_FILENO));
  std::fflush(stderr);
  ::dup2(writer.get(), STDERR_FILENO);
  act();
  std::fflush(stderr);
  ::dup2(before.get(), STDERR_FILENO);
  writer.reset();
  std::array<char, 4096> bytes{};
  const ssize_t length = ::read(reader.get(), bytes.data(), bytes.size());
  return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0))};
}

/// The log is the whole process's: back to what it is by default.
struct LogReset
{
  LogReset() = default;
  LogReset(const LogReset&) = delete;
  LogReset& operator=(const LogReset&) = delete;
  LogReset(LogReset&&) = delete;
  LogReset& operator=(LogReset&&) = delete;
  ~LogReset() { configure_log(LogLevel::info, LogFormat::text); }
};

} // namespace

TEST_CASE("a value that is not one word is quoted, so that fields can be told apart")
{
  const LogReset reset;
  configure_log(LogLevel::info, LogFormat::text);
  CHECK(written_by([] {
          log(LogLevel::warning,
              "quoting",
              {{"flow", "tcp 10.0.2.100:1 -> 192.0.2.1:80"},
               {"port", 80},
               {"file", "a=b"},
               {"empty", ""},
               {"evil", "x\n\"y\""}});
        })
        == "slirpstack: warning: quoting flow=\"tcp 10.0.2.100:1 -> 192.0.2.1:80\" port=80 "
           "file=\"a=b\" empty=\"\" evil=\"x\\n\\\"y\\\"\"\n");
}

TEST_CASE("a record is never left out, and has the time in both formats")
{
  const LogReset reset;
  configure_log(LogLevel::info, LogFormat::text);
  const std::string text = written_by([] { log_record("bound", {{"port", 80}}); });
  const std::string_view before = "slirpstack: bound port=80 time=20";
  CHECK(text.starts_with(before));
  CHECK(text.ends_with("Z\n"));
  CHECK(text.size() == before.size() + std::string_view("26-11-29T07:33:40.123Z\n").size());
  configure_log(LogLevel::info, LogFormat::json);
  const auto line = nlohmann::json::parse(written_by([] { log_record("bound", {{"port", 80}}); }));
  CHECK(line.at("time").get<std::string>().ends_with("Z"));
  CHECK(line.at("port") == "80");
  const std::string all = written_by([] {
    for (int i = 0; i < 30; ++i) {
      log_record("many", {});
    }
  });
  CHECK(std::ranges::count(all, '\n') == 30);
}

TEST_CASE("the last word is a line of text, or an object like those of the log")
{
  const LogReset reset;
  configure_log(LogLevel::error, LogFormat::text);
  CHECK(written_by([] { write_last_word("slnat", "cannot go on"); }) == "slnat: cannot go on\n");
  configure_log(LogLevel::error, LogFormat::json);
  const auto line = nlohmann::json::parse(written_by([] { write_last_word("slnat", "no \"x\""); }));
  CHECK(line.at("level") == "error");
  CHECK(line.at("message") == "no \"x\"");
  CHECK(line.contains("time"));
}
