#include "flow/address_range.hh"

#include "base/error.hh"

#include <fmt/format.h>
#include <optional>

namespace slirpstack {

namespace {

UsageError not_a_range(std::string_view text)
{
  return UsageError(fmt::format(
    "must be IPv4 addresses such as 192.0.2.1, 192.0.2.1-192.0.2.9 or 192.0.2.0/28, which \"{}\" "
    "is not",
    text));
}

IpAddress parse_address(std::string_view part, std::string_view text)
{
  const auto address = IpAddress::parse(text);
  if (!address || !address->is_ipv4()) {
    throw not_a_range(part);
  }
  return *address;
}

AddressRange parse_network(std::string_view text)
{
  const auto network = Prefix::parse(text);
  if (!network || !network->address().is_ipv4()) {
    throw not_a_range(text);
  }
  if (network->network() != network->address()) {
    throw UsageError(fmt::format(
      "must be a network address: {}/{}", network->network().to_string(), network->length_bits()));
  }
  return AddressRange::of(*network);
}

AddressRange parse_one(std::string_view text)
{
  if (text.find('/') != std::string_view::npos) {
    return parse_network(text);
  }
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) {
    const IpAddress address = parse_address(text, text);
    return {address, address};
  }
  const AddressRange range{parse_address(text, text.substr(0, dash)),
                           parse_address(text, text.substr(dash + 1))};
  if (range.last < range.first) {
    throw UsageError(fmt::format("must not end before it begins, as \"{}\" does", text));
  }
  return range;
}

} // namespace

AddressRange AddressRange::of(const Prefix& network)
{
  const std::uint32_t first = network.network().ipv4_value();
  const auto host_bits
    = static_cast<std::uint32_t>((std::uint64_t{1} << (32 - network.length_bits())) - 1);
  return {IpAddress::ipv4(first), IpAddress::ipv4(first | host_bits)};
}

std::uint64_t AddressRange::size() const
{
  return std::uint64_t{last.ipv4_value()} - first.ipv4_value() + 1;
}

std::string AddressRange::to_string() const
{
  return first == last ? first.to_string()
                       : fmt::format("{}-{}", first.to_string(), last.to_string());
}

std::vector<AddressRange> parse_address_ranges(std::string_view text)
{
  std::vector<AddressRange> ranges;
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    more = comma != std::string_view::npos;
    const AddressRange range = parse_one(text.substr(0, comma));
    for (const AddressRange& other : ranges) {
      if (range.overlaps(other)) {
        throw UsageError(fmt::format("must name each address once, but {} and {} overlap",
                                     other.to_string(),
                                     range.to_string()));
      }
    }
    ranges.push_back(range);
    text.remove_prefix(more ? comma + 1 : text.size());
  }
  return ranges;
}

} // namespace slirpstack
