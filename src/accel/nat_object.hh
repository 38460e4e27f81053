#pragma once

#include "base/bytes.hh"

#include <cstdint>
#include <memory>
#include <string>
#include <system_error>

struct bpf_object;

namespace slirpstack {

/// Where the NAT's programs are attached.
enum class NatHook : std::uint8_t
{
  xdp, ///< most packets per second
  tc,  ///< super-segments pass whole: most bytes per second between virtual interfaces
};

/// How many entries the maps have room for. They are allocated when the object is loaded.
struct NatSizes
{
  std::uint32_t bindings = 65536;
  std::uint32_t sessions = 131072;
  std::uint32_t subscribers = 65536;
  std::uint32_t prefixes = 20000; ///< of mappings: two for each
};

/// The NAT's programs and maps, loaded into the kernel; slirpstack/nat_map.h describes the maps.
/// They live until this is destroyed and nothing is attached or pinned any more.
class NatObject
{
public:
  /// Needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON. If `pin_folder` (in a bpf file system) is not
  /// empty, maps pinned there by a process before are taken over, and those missing are pinned.
  /// Throws std::system_error.
  NatObject(NatHook hook, const NatSizes& sizes, const std::string& pin_folder = {});

  [[nodiscard]] NatHook hook() const { return hook_; }
  /// What nat_settings.recent_sets may be: room for two flows of each binding.
  [[nodiscard]] std::uint32_t recent_sets() const { return recent_sets_; }
  /// Descriptor of a map by its name in nat_map.h; owned by this. Throws std::system_error.
  [[nodiscard]] int map(const char* name) const;
  /// Descriptor of `nat_internal`, `nat_external` or `nat_tap`; owned by this. Throws
  /// std::system_error.
  [[nodiscard]] int program(const char* name) const;

private:
  struct Close
  {
    void operator()(bpf_object* object) const;
  };

  NatHook hook_;
  std::uint32_t recent_sets_;
  std::unique_ptr<bpf_object, Close> object_;
};

/// Why the programs could not be loaded, in one line.
[[nodiscard]] std::string why_not_loaded(const std::system_error& error);

/// Why it is of no use to try, in one line; empty if it may do. Not all is known before: the kernel
/// takes seconds to verify the programs.
[[nodiscard]] std::string why_nat_is_unavailable();

} // namespace slirpstack
