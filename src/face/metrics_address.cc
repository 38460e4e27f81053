#include "face/metrics_address.hh"

#include "base/error.hh"
#include "face/values.hh"
#include "flow/forward_side.hh"

#include <fmt/format.h>
#include <optional>

namespace slirpstack {

namespace {

constexpr std::string_view UNIX_URL = "unix://";

/// Nothing: it is no Unix socket.
std::optional<UnixPath> parse_unix_address(std::string_view text)
{
  constexpr std::string_view UNIX = "unix:";
  if (!text.starts_with(UNIX)) {
    return std::nullopt;
  }
  text.remove_prefix(text.starts_with(UNIX_URL) ? UNIX_URL.size() : UNIX.size());
  try {
    check_unix_path(text);
  } catch (const UsageError& error) {
    throw BadValue(error.what());
  }
  return UnixPath{std::string(text)};
}

/// Nothing: it is no path, or an empty one.
std::optional<UnixPath> parse_slirpnetstack_path(std::string_view text)
{
  const bool is_path = text.starts_with(UNIX_URL) && text.size() > UNIX_URL.size();
  return is_path ? std::optional(UnixPath{std::string(text.substr(UNIX_URL.size()))})
                 : std::nullopt;
}

std::optional<Endpoint> parse_tcp_address(std::string_view text)
{
  constexpr std::string_view TCP = "tcp://";
  constexpr std::string_view LOCALHOST = "localhost:";
  if (!text.starts_with(TCP)) {
    return std::nullopt;
  }
  text.remove_prefix(TCP.size());
  return text.starts_with(LOCALHOST)
           ? Endpoint::parse(fmt::format("127.0.0.1:{}", text.substr(LOCALHOST.size())))
           : Endpoint::parse(text);
}

} // namespace

StreamAddress parse_metrics_address(std::string_view text, Config::Manner manner)
{
  const bool is_native = manner != Config::Manner::slirpnetstack;
  if (const auto path = is_native ? parse_unix_address(text) : parse_slirpnetstack_path(text)) {
    return *path;
  }
  if (const auto endpoint = parse_tcp_address(text)) {
    return *endpoint;
  }
  throw BadValue(is_native ? "must be tcp://IP:PORT or unix:PATH"
                           : "must be tcp://IP:PORT or unix://PATH");
}

} // namespace slirpstack
