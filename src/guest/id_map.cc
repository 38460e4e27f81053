#include "guest/id_map.hh"

#include "base/error.hh"
#include "base/file_descriptor.hh"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <unistd.h>

namespace slirpstack {

namespace {

std::string read_file(const char* path)
{
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// A map is accepted in one write() or not at all.
std::error_code try_write(const std::string& path, const std::string& text)
{
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file || ::write(file.get(), text.data(), text.size()) < 0) {
    return last_error();
  }
  return {};
}

void write(const std::string& path, const std::string& text)
{
  const std::error_code error = try_write(path, text);
  if (error) {
    throw std::system_error(error, fmt::format("write {}", path));
  }
}

} // namespace

std::string identity_map(std::string_view own_map)
{
  std::istringstream lines{std::string(own_map)};
  std::string map;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    unsigned long inside = 0;
    unsigned long outside = 0;
    unsigned long count = 0;
    if (fields >> inside >> outside >> count) {
      map += fmt::format("{} {} {}\n", inside, inside, count);
    }
  }
  return map;
}

std::string root_map(id_t id)
{
  return fmt::format("0 {} 1\n", id);
}

void write_id_maps(pid_t child)
{
  const std::string folder = fmt::format("/proc/{}/", child);
  // Root of a container may lack CAP_SETUID; he is served like any user.
  if (::geteuid() == 0
      && !try_write(folder + "uid_map", identity_map(read_file("/proc/self/uid_map")))) {
    write(folder + "gid_map", identity_map(read_file("/proc/self/gid_map")));
    return;
  }
  // Without setgroups() a member of a group that a file denies could not shed it (CVE-2014-8989);
  // the kernel asks for this before it takes an unprivileged gid_map.
  write(folder + "setgroups", "deny");
  write(folder + "uid_map", root_map(::geteuid()));
  write(folder + "gid_map", root_map(::getegid()));
}

} // namespace slirpstack
