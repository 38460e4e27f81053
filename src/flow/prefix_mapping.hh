#pragma once

#include "flow/nptv6.hh"
#include "wire/address.hh"

#include <compare>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace slirpstack {

/// Two IPv6 prefixes of one length that stand for each other: INTERNAL in the guest's world,
/// EXTERNAL outside.
struct PrefixMapping
{
  std::string interface;
  Prefix internal; ///< host bits are zero, as in `external`
  Prefix external;
  bool neutral = false; ///< RFC 6296; else the prefix's bits alone are replaced
  /// Both ways without state, for whoever is outside, and policy is not asked. Of the accelerator.
  bool open = false;

  /// As a listing shows it: `eth0 2001:db8:1::/64 -> 2001:db8:2::/64`, with the words behind it.
  [[nodiscard]] std::string to_string() const;
  /// ` neutral`, ` open`, both in this order, or nothing: what stands behind the prefixes.
  [[nodiscard]] std::string_view words() const;
  bool operator==(const PrefixMapping&) const = default;
};

/// Which part of a mapping is wrong.
enum class MappingPart : std::uint8_t
{
  interface,
  internal,
  external,
  openness,
};

/// Why a mapping cannot be added or removed.
class MappingError : public std::runtime_error
{
public:
  /// `code` is one of invalid_argument, file_exists, no_such_file_or_directory,
  /// no_space_on_device, operation_not_permitted, operation_not_supported.
  MappingError(std::errc code, MappingPart part, const std::string& reason)
    : std::runtime_error(reason), code_(code), part_(part)
  {}

  [[nodiscard]] std::errc code() const { return code_; }
  [[nodiscard]] MappingPart part() const { return part_; }
  /// `EINVAL`, `EEXIST`, `ENOENT`, `ENOSPC`, `EPERM` or `EOPNOTSUPP`.
  [[nodiscard]] std::string_view code_name() const;

private:
  std::errc code_;
  MappingPart part_;
};

// Text to value; each throws MappingError.

/// A name that an interface can have: 1 to 15 characters, none of them `/`, `:`, `%` or blank, not
/// beginning with a dash, since `--all` does.
[[nodiscard]] std::string parse_mapping_interface(std::string_view text);
/// `2001:db8:1::/64`; host bits are masked off.
[[nodiscard]] Prefix parse_mapping_prefix(std::string_view text, MappingPart part);
/// The words behind the prefixes, `[neutral] [open]`, put into `mapping`. False: they are others.
[[nodiscard]] bool read_mapping_words(std::span<const std::string> words, PrefixMapping& mapping);
/// Throws MappingError unless the prefixes go together.
void check_mapping(const PrefixMapping& mapping);

} // namespace slirpstack
