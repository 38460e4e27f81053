#pragma once

#include "wire/address.hh"

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <vector>

namespace slirpstack {

struct Nameserver
{
  Endpoint endpoint; ///< port 53
  std::string zone;  ///< the interface of fe80::1%eth0, a name or a number; else empty

  bool operator==(const Nameserver&) const = default;
};

/// What slirpstack uses of a resolv.conf(5).
struct ResolverConfig
{
  /// In the order of the file; never empty.
  std::vector<Nameserver> nameservers;
  std::vector<std::string> search;

  bool operator==(const ResolverConfig&) const = default;
};

/// Reads the text of a resolv.conf(5). Lines that are not understood are passed over. Without a
/// usable nameserver it is 127.0.0.1, as the manual says. The last of several `search` and
/// `domain` lines counts.
[[nodiscard]] ResolverConfig parse_resolver_config(std::string_view text);

/// The interface index of a zone (`eth0`, `2`), 0 when there is none such.
[[nodiscard]] std::uint32_t zone_index(const std::string& zone);

/// A resolv.conf on disk, read again when it changed. That is looked up by stat on each use, so
/// nothing has to watch the file.
class ResolverFile
{
public:
  explicit ResolverFile(std::string path = "/etc/resolv.conf");

  /// The present configuration. A file that cannot be read counts as empty.
  [[nodiscard]] const ResolverConfig& current();
  /// Grows by one with each change seen by `current()`; starts at 1 with the first use.
  [[nodiscard]] std::uint64_t version() const { return version_; }

private:
  std::string path_;
  struct stat seen_
  {};
  ResolverConfig config_;
  std::uint64_t version_ = 0;
};

} // namespace slirpstack
