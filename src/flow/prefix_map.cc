#include "flow/prefix_map.hh"

#include <fmt/format.h>

namespace slirpstack {

namespace {

bool can_be_mapped(const IpAddress& address)
{
  return address.is_ipv6() && !address.is_multicast() && !address.is_link_local();
}

Translation translate(const IpAddress& address,
                      const PrefixMapping* mapping,
                      Prefix PrefixMapping::*from,
                      Prefix PrefixMapping::*to)
{
  Translation translation{.mapping = mapping, .address = {}};
  if (mapping == nullptr) {
    return translation;
  }
  if (!mapping->neutral) {
    translation.address = rewrite_prefix(address, mapping->*to);
    return translation;
  }
  const auto neutral = translate_neutrally(address, mapping->*from, mapping->*to);
  if (const auto* const translated = std::get_if<IpAddress>(&neutral)) {
    translation.address = *translated;
  } else {
    translation.unmappable = std::get<Unmappable>(neutral);
  }
  return translation;
}

void check_is_new(const PrefixMapping* known, MappingPart part)
{
  if (known != nullptr) {
    throw MappingError(
      std::errc::file_exists,
      part,
      fmt::format("{} is mapped already: {}",
                  (part == MappingPart::internal ? known->internal : known->external).to_string(),
                  known->to_string()));
  }
}

} // namespace

PrefixMap::PrefixMap(const HashSecret& secret)
  : by_internal_(&PrefixMapping::internal, secret), by_external_(&PrefixMapping::external, secret)
{}

void PrefixMap::add(PrefixMapping mapping)
{
  check_mapping(mapping);
  if (mapping.open && !allows_open_) {
    throw MappingError(
      std::errc::operation_not_supported,
      MappingPart::openness,
      fmt::format("{}: the kernel alone carries an open mapping, which takes -accel",
                  mapping.to_string()));
  }
  check_is_new(by_internal_.find(mapping.internal, mapping.interface), MappingPart::internal);
  check_is_new(by_external_.find(mapping.external, mapping.interface), MappingPart::external);
  if (mappings_.size() == MAX_MAPPINGS) {
    throw MappingError(std::errc::no_space_on_device,
                       MappingPart::interface,
                       fmt::format("no space: there are {} mappings", MAX_MAPPINGS));
  }
  auto key = std::pair(mapping.interface, mapping.internal);
  const auto& added = mappings_.emplace(std::move(key), std::move(mapping)).first->second;
  by_internal_.insert(added);
  by_external_.insert(added);
  ++changes_;
}

PrefixMapping PrefixMap::remove(std::string_view interface, const Prefix& internal)
{
  const PrefixMapping* const known = find(interface, internal);
  if (known == nullptr) {
    throw MappingError(std::errc::no_such_file_or_directory,
                       MappingPart::internal,
                       fmt::format("{} is not mapped on {}", internal.to_string(), interface));
  }
  by_internal_.erase(*known);
  by_external_.erase(*known);
  ++changes_;
  auto node = mappings_.extract(std::pair(known->interface, known->internal));
  return std::move(node.mapped());
}

Translation PrefixMap::to_external(const IpAddress& internal) const
{
  const auto* const mapping = can_be_mapped(internal) ? by_internal_.longest(internal) : nullptr;
  return translate(internal, mapping, &PrefixMapping::internal, &PrefixMapping::external);
}

Translation PrefixMap::to_internal(const IpAddress& external) const
{
  const auto* const mapping = can_be_mapped(external) ? by_external_.longest(external) : nullptr;
  return translate(external, mapping, &PrefixMapping::external, &PrefixMapping::internal);
}

} // namespace slirpstack
