#pragma once

#include "wire/address.hh"

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slirpstack {

/// A name that has to be looked up: by the host's own means, or, with `server`, by an SRV query
/// (RFC 2782) that is sent to just that DNS server.
struct HostName
{
  struct Server
  {
    std::string host; ///< an address or a name
    std::uint16_t port = 53;
    auto operator<=>(const Server&) const = default;
  };

  std::string name;
  std::optional<Server> server;

  /// As it was typed: `example.org`, `_web._tcp@srv-127.0.0.1:5353`.
  [[nodiscard]] std::string to_string() const;
  auto operator<=>(const HostName&) const = default;
};

/// Whether a host can have this name: labels of letters, digits, hyphens and underscores (RFC 1123
/// 2.1, RFC 2782), the last one no number, as that would be an IPv4 address of some spelling.
[[nodiscard]] bool is_host_name(std::string_view text);

/// What a lookup brought: addresses, or the reason why there are none.
struct LookupAnswer
{
  /// IPv4 first; empty when it failed.
  std::vector<IpAddress> addresses;
  /// The SRV record's; 0: it said none.
  std::uint16_t port = 0;
  /// How long the answer holds.
  std::chrono::seconds lifetime{0};
  /// Such as `lookup example.org: no such host`.
  std::string error;
  /// It failed because the name service knows that there is none, and not for want of an answer.
  bool no_such_name = false;
};

/// A lookup under way. Dropping it cancels it.
class PendingLookup
{
public:
  virtual ~PendingLookup() = default;
};

/// The seam to the host's name service: implemented in `host`, faked in scenario tests.
class NameResolver
{
public:
  virtual ~NameResolver() = default;
  /// `done` runs once, from the event loop, never before this has returned; unless the lookup is
  /// dropped first. It may drop the lookup.
  [[nodiscard]] virtual std::unique_ptr<PendingLookup>
  look_up(const HostName& name, std::function<void(const LookupAnswer&)> done) = 0;
  /// The same, but past whatever answers are kept: for those who go by an answer's lifetime.
  [[nodiscard]] virtual std::unique_ptr<PendingLookup>
  look_up_afresh(const HostName& name, std::function<void(const LookupAnswer&)> done) = 0;
};

} // namespace slirpstack
