#include "host/unix_address.hh"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace slirpstack {

namespace {

constexpr socklen_t PATH_OFFSET = offsetof(sockaddr_un, sun_path);

} // namespace

std::optional<UnixAddress> UnixAddress::of(const UnixPath& path)
{
  UnixAddress made;
  const std::string& text = path.path;
  if (text.empty() || text.size() >= sizeof made.address_.sun_path
      || text.find('\0') != std::string::npos) {
    return std::nullopt;
  }
  made.address_.sun_family = AF_UNIX;
  std::memcpy(made.address_.sun_path, text.data(), text.size());
  // The abstract namespace's names begin with a zero byte and are as long as the address says.
  const bool is_abstract = text.front() == '@';
  if (is_abstract) {
    made.address_.sun_path[0] = '\0';
  }
  made.size_ = static_cast<socklen_t>(PATH_OFFSET + text.size() + (is_abstract ? 0 : 1));
  return made;
}

UnixPath UnixAddress::path(socklen_t size) const
{
  if (size <= PATH_OFFSET) {
    return {};
  }
  const std::size_t length = std::min<std::size_t>(size - PATH_OFFSET, sizeof address_.sun_path);
  std::string text(address_.sun_path, length);
  if (text.front() == '\0') {
    text.front() = '@';
  } else {
    text.resize(::strnlen(text.data(), text.size()));
  }
  return {std::move(text)};
}

} // namespace slirpstack
