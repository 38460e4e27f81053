#include "flow/target.hh"

#include <fmt/format.h>

namespace slirpstack {

namespace {

/// A name that has a server has colons of its own: it stands in brackets, as in a forward's spec.
std::string named(const NamedTarget& target)
{
  return target.name.server ? fmt::format("[{}]:{}", target.name.to_string(), target.port)
                            : fmt::format("{}:{}", target.name.name, target.port);
}

} // namespace

std::string to_string(const Target& target)
{
  if (const auto* name = std::get_if<NamedTarget>(&target)) {
    return named(*name);
  }
  if (const auto* unix = std::get_if<UnixPath>(&target)) {
    return to_string(StreamAddress(*unix));
  }
  return std::get<Endpoint>(target).to_string();
}

} // namespace slirpstack
