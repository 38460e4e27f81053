#pragma once

#include "accel/libbpf.hh"
#include "base/error.hh"

#include <cerrno>
#include <cstdint>
#include <optional>
#include <vector>

namespace slirpstack {

/// One of the maps of slirpstack/nat_map.h, with its types; the descriptor is NatObject's.
template<typename Key, typename Value>
class NatTable
{
public:
  explicit NatTable(int map) : map_(map) {}

  /// Adds an entry or overwrites it. Throws std::system_error.
  void put(const Key& key, const Value& value)
  {
    system_call("write into a BPF map", libbpf().bpf_map_update_elem(map_, &key, &value, BPF_ANY));
  }
  /// Adds an entry unless there is one already; false then. Throws std::system_error.
  bool add(const Key& key, const Value& value)
  {
    const int result = libbpf().bpf_map_update_elem(map_, &key, &value, BPF_NOEXIST);
    return (result < 0 && errno == EEXIST) ? false
                                           : system_call("write into a BPF map", result) == 0;
  }
  enum class Added : std::uint8_t
  {
    added,
    exists, ///< there is one already
    full,   ///< the map has no room
  };
  /// The same where a full map is to be expected. Throws std::system_error.
  [[nodiscard]] Added try_add(const Key& key, const Value& value)
  {
    if (libbpf().bpf_map_update_elem(map_, &key, &value, BPF_NOEXIST) == 0) {
      return Added::added;
    }
    if (errno == EEXIST) {
      return Added::exists;
    }
    if (errno != E2BIG && errno != ENOMEM && errno != ENOSPC) {
      throw_system_error("write into a BPF map");
    }
    return Added::full;
  }
  /// Returns whether there was an entry; none is no error.
  bool erase(const Key& key) { return libbpf().bpf_map_delete_elem(map_, &key) == 0; }
  [[nodiscard]] std::optional<Value> find(const Key& key) const
  {
    Value value{};
    return libbpf().bpf_map_lookup_elem(map_, &key, &value) == 0 ? std::optional(value)
                                                                 : std::nullopt;
  }

  /// Removes all entries. For maps that for_each() cannot read, too.
  void clear()
  {
    Key key{};
    while (libbpf().bpf_map_get_next_key(map_, nullptr, &key) == 0
           && libbpf().bpf_map_delete_elem(map_, &key) == 0) {}
  }

  /// How far visit_some() has come.
  class Cursor
  {
  public:
    [[nodiscard]] bool is_at_end() const { return is_at_end_; }

  private:
    friend class NatTable;

    std::uint32_t position_ = 0;
    bool is_begun_ = false;
    bool is_at_end_ = false;
  };

  /// Calls `visit(key, value)` for the next thousands of entries of a hash map. Those that come or
  /// go meanwhile may be missed. Throws std::system_error.
  template<typename Visit>
  void visit_some(Cursor& cursor, Visit visit) const
  {
    std::vector<Key> keys(BATCH);
    std::vector<Value> values(BATCH);
    std::uint32_t count = BATCH;
    const int result = libbpf().bpf_map_lookup_batch(map_,
                                                     cursor.is_begun_ ? &cursor.position_ : nullptr,
                                                     &cursor.position_,
                                                     keys.data(),
                                                     values.data(),
                                                     &count,
                                                     nullptr);
    cursor.is_at_end_ = result < 0 && errno == ENOENT; // the last batch is filled all the same
    if (!cursor.is_at_end_) {
      system_call("read a BPF map", result);
    }
    cursor.is_begun_ = true;
    for (std::uint32_t i = 0; i < count; ++i) {
      visit(keys[i], values[i]);
    }
  }

  /// The same for all entries.
  template<typename Visit>
  void for_each(Visit visit) const
  {
    for (Cursor cursor; !cursor.is_at_end();) {
      visit_some(cursor, visit);
    }
  }

private:
  static constexpr std::uint32_t BATCH = 4096;

  int map_;
};

} // namespace slirpstack
