#pragma once

#include "base/bytes.hh"
#include "base/file_descriptor.hh"
#include "guest/route_events.hh"

#include <cstdint>
#include <optional>

namespace slirpstack {

/// The last MTU that rtnetlink messages give the interface of that index, rtnetlink(7). `messages`
/// are aligned as they were received.
[[nodiscard]] std::optional<std::uint32_t> mtu_in(ByteView messages, int index);

/// Tells when the owner of an interface gives it another MTU, from outside its namespace.
class MtuNews
{
public:
  /// A non-blocking rtnetlink socket that hears of the interfaces of the namespace that the calling
  /// process is in. Throws std::system_error.
  [[nodiscard]] static FileDescriptor open_socket();

  /// `socket` is of open_socket(); `index` is the interface's there, which has `mtu_bytes` now.
  MtuNews(FileDescriptor socket, int index, std::uint32_t mtu_bytes);

  /// Readable when take() may have something.
  [[nodiscard]] int fd() const { return events_.fd(); }
  /// The MTU if it is another one than before.
  [[nodiscard]] std::optional<std::uint32_t> take();

private:
  RouteEvents events_;
  int index_;
  std::uint32_t mtu_bytes_;
};

} // namespace slirpstack
