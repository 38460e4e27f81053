#include "accel/nat_object.hh"

#include "accel/libbpf.hh"
#include "base/error.hh"
#include "base/file_descriptor.hh"
#include "slirpstack/nat_map.h"

#include <bit>
#include <cerrno>
#include <cstdarg>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace slirpstack {

namespace {

constexpr std::uint8_t XDP_OBJECT[] = {
#include "nat_xdp.inc"
};
constexpr std::uint8_t TC_OBJECT[] = {
#include "nat_tc.inc"
};

// Its messages go to standard error in a form of its own; the error code says enough.
int discard(libbpf_print_level /*level*/, const char* /*format*/, std::va_list /*arguments*/)
{
  return 0;
}

/// libbpf 1.0 returns a negative errno or sets errno; both are the same number.
int checked(std::string_view attempt, int result)
{
  if (result < 0) {
    errno = -result;
    throw_system_error(attempt);
  }
  return result;
}

bpf_object* open_object(NatHook hook)
{
  libbpf().libbpf_set_print(discard);
  const bool is_xdp = hook == NatHook::xdp;
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "slirpstack_nat");
  bpf_object* const object = libbpf().bpf_object__open_mem(
    is_xdp ? XDP_OBJECT : TC_OBJECT, is_xdp ? sizeof(XDP_OBJECT) : sizeof(TC_OBJECT), &options);
  if (object == nullptr) {
    throw_system_error("open the BPF object");
  }
  return object;
}

void set_entries(bpf_object* object, const char* name, std::uint32_t entries)
{
  checked("size a BPF map",
          libbpf().bpf_map__set_max_entries(libbpf().bpf_object__find_map_by_name(object, name),
                                            entries));
}

void set_pins(bpf_object* object, const std::string& folder)
{
  for (bpf_map* map = libbpf().bpf_object__next_map(object, nullptr); map != nullptr;
       map = libbpf().bpf_object__next_map(object, map)) {
    // The kernel adds a flag of its own to a device map, and libbpf then takes it for another one
    // (1.1). Nothing is lost: interfaces are attached anew. So are prefixes, of which there is room
    // for as many as this process has guests.
    if (libbpf().bpf_map__is_internal(map)
        || libbpf().bpf_map__type(map) == BPF_MAP_TYPE_DEVMAP_HASH
        || std::string_view(libbpf().bpf_map__name(map)) == "prefixes") {
      continue;
    }
    const std::string path
      = fmt::format("{}/nat{}_{}", folder, NAT_MAP_VERSION, libbpf().bpf_map__name(map));
    checked("pin a BPF map", libbpf().bpf_map__set_pin_path(map, path.c_str()));
  }
}

} // namespace

void NatObject::Close::operator()(bpf_object* object) const
{
  libbpf().bpf_object__close(object);
}

NatObject::NatObject(NatHook hook, const NatSizes& sizes, const std::string& pin_folder)
  : hook_(hook), recent_sets_(std::bit_ceil(sizes.bindings)), object_(open_object(hook))
{
  set_entries(object_.get(), "bindings", sizes.bindings);
  set_entries(object_.get(), "owners", sizes.bindings);
  set_entries(object_.get(), "sessions", sizes.sessions);
  set_entries(object_.get(), "mapped", sizes.sessions);
  set_entries(object_.get(), "prefixes", sizes.prefixes);
  set_entries(object_.get(), "recent", recent_sets_);
  set_entries(object_.get(), "subscribers", sizes.subscribers);
  set_entries(object_.get(), "released", sizes.subscribers);
  if (!pin_folder.empty()) {
    set_pins(object_.get(), pin_folder);
  }
  const int loaded = libbpf().bpf_object__load(object_.get());
  if (loaded == -EINVAL && !pin_folder.empty()) {
    checked(fmt::format("take over the maps in {}, which are of other sizes or of another version",
                        pin_folder),
            loaded);
  }
  checked("load the BPF programs", loaded);
}

int NatObject::map(const char* name) const
{
  return checked(fmt::format("find the BPF map {}", name),
                 libbpf().bpf_object__find_map_fd_by_name(object_.get(), name));
}

int NatObject::program(const char* name) const
{
  const bpf_program* const found = libbpf().bpf_object__find_program_by_name(object_.get(), name);
  return checked(fmt::format("find the BPF program {}", name),
                 found == nullptr ? -ENOENT : libbpf().bpf_program__fd(found));
}

std::string why_not_loaded(const std::system_error& error)
{
  if (error.code().value() == EPERM || error.code().value() == EACCES) {
    return "loading BPF programs is not allowed: it takes CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON";
  }
  return fmt::format("cannot {}", error.what());
}

std::string why_nat_is_unavailable()
{
  try {
    static_cast<void>(libbpf());
    // A kind of map that takes CAP_BPF wherever that is known.
    bpf_attr trie{};
    trie.map_type = BPF_MAP_TYPE_LPM_TRIE;
    trie.key_size = sizeof(bpf_lpm_trie_key) + sizeof(std::uint32_t);
    trie.value_size = sizeof(std::uint32_t);
    trie.max_entries = 1;
    trie.map_flags = BPF_F_NO_PREALLOC;
    const FileDescriptor trial(static_cast<int>(
      system_call("make a BPF map", ::syscall(SYS_bpf, BPF_MAP_CREATE, &trie, sizeof trie))));
    return {};
  } catch (const LibbpfMissing& missing) {
    return missing.what();
  } catch (const std::system_error& error) {
    return why_not_loaded(error);
  }
}

} // namespace slirpstack
