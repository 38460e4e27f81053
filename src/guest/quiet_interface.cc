#include "guest/quiet_interface.hh"

#include "base/error.hh"
#include "base/file_descriptor.hh"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <string_view>
#include <unistd.h>

namespace slirpstack {

namespace {

void set(const std::string& path, std::string_view value)
{
  const std::string attempt = fmt::format("write {} into {}", value, path);
  const FileDescriptor file(system_call(attempt, ::open(path.c_str(), O_WRONLY | O_CLOEXEC)));
  system_call(attempt, ::write(file.get(), value.data(), value.size()));
}

} // namespace

void quiet_interface(const std::string& interface)
{
  const std::string ipv4 = fmt::format("/proc/sys/net/ipv4/conf/{}/", interface);
  set(ipv4 + "forwarding", "0");
  set(ipv4 + "rp_filter", "1"); // RFC 3704 section 2.2
  const std::string ipv6 = fmt::format("/proc/sys/net/ipv6/conf/{}/disable_ipv6", interface);
  if (::access(ipv6.c_str(), F_OK) == 0) { // else the kernel has none
    set(ipv6, "1");
  }
}

} // namespace slirpstack
