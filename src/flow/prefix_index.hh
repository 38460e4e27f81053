#pragma once

#include "base/siphash.hh"
#include "flow/prefix_mapping.hh"

#include <functional>
#include <map>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace slirpstack {

/// Mappings by one of their two prefixes: a hash table for each length in use, asked from the
/// longest down. A lookup costs one probe a length, however many mappings there are. It does not
/// own the mappings, which have to stay where they are.
class PrefixIndex
{
public:
  /// `side` is the prefix that counts. The secret keeps whoever adds mappings from choosing
  /// prefixes that collide.
  PrefixIndex(Prefix PrefixMapping::*side, const HashSecret& secret) : side_(side), secret_(secret)
  {}

  /// The interface has no mapping of this prefix yet.
  void insert(const PrefixMapping& mapping);
  void erase(const PrefixMapping& mapping);

  /// The interface's mapping with just this prefix, or null.
  [[nodiscard]] const PrefixMapping* find(const Prefix& prefix, std::string_view interface) const;
  /// The one with the longest prefix that holds the address, of the first interface by name; or
  /// null.
  [[nodiscard]] const PrefixMapping* longest(const IpAddress& address) const;

private:
  struct Hash
  {
    HashSecret secret;
    std::size_t operator()(const IpAddress& network) const
    {
      return siphash(secret, network.bytes());
    }
  };
  /// In the order of their interfaces' names.
  using Interfaces = std::vector<const PrefixMapping*>;
  using Networks = std::unordered_map<IpAddress, Interfaces, Hash>;

  Prefix PrefixMapping::*side_;
  HashSecret secret_;
  std::map<unsigned, Networks, std::greater<>> lengths_;
};

} // namespace slirpstack
