#include "base/log.hh"

#include "base/clock.hh"
#include "base/last_word.hh"
#include "base/quoted.hh"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <unistd.h>

namespace slirpstack {

namespace {

constexpr unsigned LINES_PER_SECOND = 20;

struct Limit
{
  TimePoint window_start;
  unsigned written = 0;
  unsigned long suppressed = 0;
};

struct Logger
{
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
  std::map<std::string, Limit, std::less<>> limits; // one entry a message: the texts are ours
};

Logger& logger()
{
  static Logger instance;
  return instance;
}

std::string_view level_name(LogLevel level)
{
  switch (level) {
    case LogLevel::error:
      return "error";
    case LogLevel::warning:
      return "warning";
    case LogLevel::info:
      return "info";
    case LogLevel::debug:
      break;
  }
  return "debug";
}

std::string timestamp()
{
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  ::gmtime_r(&now.tv_sec, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                     utc.tm_year + 1900,
                     utc.tm_mon + 1,
                     utc.tm_mday,
                     utc.tm_hour,
                     utc.tm_min,
                     utc.tm_sec,
                     now.tv_nsec / 1000000);
}

std::string json_line(LogLevel level,
                      std::string_view message,
                      std::initializer_list<LogField> fields,
                      unsigned long suppressed)
{
  nlohmann::ordered_json line{
    {"time", timestamp()}, {"level", level_name(level)}, {"message", message}};
  for (const LogField& field : fields) {
    line[std::string(field.key)] = field.value;
  }
  if (suppressed > 0) {
    line["suppressed"] = suppressed;
  }
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

/// As it is where it is one word; else quoted, so that it is clear where the next field begins.
std::string text_value(std::string_view value)
{
  const bool is_word = !value.empty() && std::ranges::none_of(value, [](char character) {
    const auto code = static_cast<unsigned char>(character);
    return code <= ' ' || code == 0x7f || character == '"' || character == '=';
  });
  return is_word ? std::string(value) : quoted(value);
}

std::string text_line(LogLevel level,
                      std::string_view message,
                      std::initializer_list<LogField> fields,
                      unsigned long suppressed)
{
  std::string line = "slirpstack: ";
  if (level != LogLevel::info) {
    line += fmt::format("{}: ", level_name(level));
  }
  line += message;
  for (const LogField& field : fields) {
    line += fmt::format(" {}={}", field.key, text_value(field.value));
  }
  if (suppressed > 0) {
    line += fmt::format(" ({} more like this were left out)", suppressed);
  }
  return line + "\n";
}

std::string record_text(std::string_view message, std::initializer_list<LogField> fields)
{
  std::string line = text_line(LogLevel::info, message, fields, 0);
  line.insert(line.size() - 1, fmt::format(" time={}", timestamp()));
  return line;
}

} // namespace

void write_without_waiting(int descriptor, std::string_view line)
{
  pollfd state{.fd = descriptor, .events = POLLOUT, .revents = 0};
  if (::poll(&state, 1, 0) != 1 || (state.revents & POLLOUT) == 0) {
    return;
  }
  [[maybe_unused]] const ssize_t written = ::write(descriptor, line.data(), line.size());
}

void write_last_word(std::string_view program, std::string_view what)
{
  const std::string line = logger().format == LogFormat::json
                             ? json_line(LogLevel::error, what, {}, 0)
                             : fmt::format("{}: {}\n", program, what);
  fmt::print(stderr, "{}", line);
}

void configure_log(LogLevel level, LogFormat format)
{
  logger().level = level;
  logger().format = format;
}

bool log_enabled(LogLevel level)
{
  return level <= logger().level;
}

void log_record(std::string_view message, std::initializer_list<LogField> fields)
{
  if (log_enabled(LogLevel::info)) {
    write_without_waiting(STDERR_FILENO,
                          logger().format == LogFormat::json
                            ? json_line(LogLevel::info, message, fields, 0)
                            : record_text(message, fields));
  }
}

void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields)
{
  if (!log_enabled(level)) {
    return;
  }
  auto found = logger().limits.find(message);
  if (found == logger().limits.end()) {
    found = logger().limits.emplace(message, Limit{}).first;
  }
  Limit& limit = found->second;
  const TimePoint now = Clock::now();
  if (now - limit.window_start >= std::chrono::seconds(1)) {
    limit.window_start = now;
    limit.written = 0;
  }
  if (limit.written == LINES_PER_SECOND) {
    ++limit.suppressed;
    return;
  }
  ++limit.written;
  const unsigned long suppressed = std::exchange(limit.suppressed, 0);
  const std::string line = logger().format == LogFormat::json
                             ? json_line(level, message, fields, suppressed)
                             : text_line(level, message, fields, suppressed);
  write_without_waiting(STDERR_FILENO, line);
}

} // namespace slirpstack
