#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cstdint>
#include <memory>

namespace slirpstack::bench {

/// A compiled BPF object, loaded into the kernel, whose programs are run one by one.
class TestObject
{
public:
  /// Opens `path` without loading it. Throws std::system_error.
  explicit TestObject(const char* path);

  void set_entries(const char* map, std::uint32_t entries);
  void set_flags(const char* map, std::uint32_t flags);
  /// Throws std::system_error.
  void load();

  [[nodiscard]] int map(const char* name) const;
  [[nodiscard]] int program(const char* name) const;

  template<typename Key, typename Value>
  void put(const char* name, const Key& key, const Value& value) const
  {
    put_bytes(name, &key, &value);
  }

  /// Nanoseconds of one run, the mean of `repeats`.
  unsigned run(const char* name, std::uint32_t repeats) const;
  /// Makes frames, as if the interface had received them, and has the kernel do with them what the
  /// program says.
  void run_live(const char* name, std::uint32_t frames, std::uint32_t ifindex) const;

private:
  struct Close
  {
    void operator()(bpf_object* object) const { ::bpf_object__close(object); }
  };

  void put_bytes(const char* name, const void* key, const void* value) const;

  std::unique_ptr<bpf_object, Close> object_;
};

/// Keeps the calling thread, and the work that it gives to the kernel, on the last processor.
void stay_on_one_processor();
/// Runs before whatever else wants the processor. All of a packet's way is then in this thread's
/// calls: nothing of it is left to the kernel's own threads.
void go_first();

} // namespace slirpstack::bench
