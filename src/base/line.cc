#include "base/line.hh"

#include <algorithm>
#include <cassert>

namespace slirpstack {

std::string_view take_line(std::string_view& text)
{
  assert(!text.empty());
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  return line;
}

} // namespace slirpstack
