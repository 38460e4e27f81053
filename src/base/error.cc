#include "base/error.hh"

#include <cerrno>

namespace slirpstack {

void throw_system_error(std::string_view attempt)
{
  throw std::system_error(errno, std::generic_category(), std::string(attempt));
}

std::error_code last_error()
{
  return {errno, std::generic_category()};
}

} // namespace slirpstack
