#include "flow/prefix_mapping.hh"

#include "base/quoted.hh"

#include <algorithm>
#include <fmt/format.h>

namespace slirpstack {

namespace {

[[noreturn]] void throw_invalid(MappingPart part, const std::string& reason)
{
  throw MappingError(std::errc::invalid_argument, part, reason);
}

} // namespace

std::string PrefixMapping::to_string() const
{
  return fmt::format(
    "{} {} -> {}{}", interface, internal.to_string(), external.to_string(), words());
}

std::string_view PrefixMapping::words() const
{
  if (open) {
    return neutral ? " neutral open" : " open";
  }
  return neutral ? " neutral" : "";
}

std::string_view MappingError::code_name() const
{
  switch (code_) {
    case std::errc::file_exists:
      return "EEXIST";
    case std::errc::no_such_file_or_directory:
      return "ENOENT";
    case std::errc::no_space_on_device:
      return "ENOSPC";
    case std::errc::operation_not_permitted:
      return "EPERM";
    case std::errc::operation_not_supported:
      return "EOPNOTSUPP";
    default:
      return "EINVAL";
  }
}

std::string parse_mapping_interface(std::string_view text)
{
  constexpr std::size_t LONGEST = 15; // IFNAMSIZ with its final zero
  const bool is_printable
    = std::ranges::all_of(text, [](char character) { return character > ' ' && character <= '~'; });
  if (text.empty() || text.size() > LONGEST || !is_printable || text.front() == '-' || text == "."
      || text == ".." || text.find_first_of("/:%") != std::string_view::npos) {
    throw_invalid(MappingPart::interface,
                  fmt::format("interface {}: must be a name of 1 to 15 characters, without '/', "
                              "':', '%' or blanks, that does not begin with '-'",
                              quoted(text)));
  }
  return std::string(text);
}

Prefix parse_mapping_prefix(std::string_view text, MappingPart part)
{
  const std::string_view side = part == MappingPart::external ? "external" : "internal";
  const auto prefix = text.find('/') == std::string_view::npos ? std::nullopt : Prefix::parse(text);
  if (!prefix || !prefix->address().is_ipv6()) {
    throw_invalid(part,
                  fmt::format("{} prefix {}: must be IPv6 with a length from 0 to 128, as in "
                              "2001:db8:1::/64",
                              side,
                              quoted(text)));
  }
  return {prefix->network(), prefix->length_bits()};
}

bool read_mapping_words(std::span<const std::string> words, PrefixMapping& mapping)
{
  mapping.neutral = !words.empty() && words.front() == "neutral";
  words = words.subspan(mapping.neutral ? 1 : 0);
  mapping.open = !words.empty() && words.front() == "open";
  return words.size() == (mapping.open ? 1U : 0U);
}

void check_mapping(const PrefixMapping& mapping)
{
  if (mapping.internal.length_bits() != mapping.external.length_bits()) {
    throw_invalid(MappingPart::external,
                  fmt::format("{} and {}: both prefixes must be equally long",
                              mapping.internal.to_string(),
                              mapping.external.to_string()));
  }
  if (mapping.neutral && mapping.internal.length_bits() > NPTV6_MAX_LENGTH_BITS) {
    throw_invalid(MappingPart::internal,
                  fmt::format("{}: a checksum-neutral prefix has at most {} bits (RFC 6296)",
                              mapping.internal.to_string(),
                              NPTV6_MAX_LENGTH_BITS));
  }
  const std::pair<MappingPart, const Prefix&> sides[]
    = {{MappingPart::internal, mapping.internal}, {MappingPart::external, mapping.external}};
  for (const auto& [part, prefix] : sides) {
    const bool only_multicast = prefix.length_bits() >= 8 && prefix.address().is_multicast();
    const bool only_link_local = prefix.length_bits() >= 10 && prefix.address().is_link_local();
    if (only_multicast || only_link_local) {
      throw_invalid(
        part,
        fmt::format("{}: multicast and link-local addresses are never mapped", prefix.to_string()));
    }
  }
}

} // namespace slirpstack
