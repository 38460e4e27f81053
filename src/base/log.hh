#pragma once

#include <fmt/format.h>
#include <initializer_list>
#include <string>
#include <string_view>

namespace slirpstack {

enum class LogLevel
{
  error,
  warning,
  info,
  debug,
};

enum class LogFormat
{
  text,
  json,
};

/// One named value of a log line. Text form: ` key=value`; JSON form: a member of the object.
struct LogField
{
  std::string_view key;
  std::string value;

  template<typename Value>
  LogField(std::string_view field_key, const Value& field_value)
    : key(field_key), value(fmt::format("{}", field_value))
  {}
};

/// Sets what is written (to standard error): lines up to `level`, in `format`.
void configure_log(LogLevel level, LogFormat format);
[[nodiscard]] bool log_enabled(LogLevel level);

/// Writes one line. `message` is a fixed text; what varies goes into fields. Lines with the same
/// message are limited to 20 a second, so that a guest cannot fill the host's disk; the line that
/// follows a suppressed run tells how many were left out.
void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

/// The same for what has to be told each time, at the level `info`: never left out, so that how
/// much there is of it must be the user's own choice. The line has the time in both formats.
void log_record(std::string_view message, std::initializer_list<LogField> fields);

/// Writes a line of at most PIPE_BUF bytes. A reader that has gone away or a full pipe must not
/// stop the network: the line is lost then.
void write_without_waiting(int descriptor, std::string_view line);

} // namespace slirpstack
