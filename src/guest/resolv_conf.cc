#include "guest/resolv_conf.hh"

#include "base/error.hh"
#include "base/file_descriptor.hh"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

namespace slirpstack {

namespace {

namespace fs = std::filesystem;

const fs::path RESOLV_CONF = "/etc/resolv.conf";
// The host's /etc inside the tmpfs that stands in for it.
constexpr const char* HOST_ETC = ".host";

void bind(const fs::path& from, const fs::path& to)
{
  // Recursive: of a tree that came from another user namespace no part may be uncovered.
  system_call(fmt::format("mount {} on {}", from.native(), to.native()),
              ::mount(from.c_str(), to.c_str(), nullptr, MS_BIND | MS_REC, nullptr));
}

void write_file(const fs::path& path, std::string_view text)
{
  const std::string attempt = fmt::format("write {}", path.native());
  const FileDescriptor file(
    system_call(attempt, ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)));
  system_call(attempt, ::write(file.get(), text.data(), text.size()));
  system_call(attempt, ::fchmod(file.get(), 0644)); // whatever the umask
}

/// A directory to cover for a moment, in which nobody looks for anything: any but those on the way
/// to `avoid`.
fs::path scratch_directory(const fs::path& avoid)
{
  for (const char* candidate : {"/mnt", "/media", "/srv", "/opt", "/tmp", "/run", "/var"}) {
    std::error_code ignored;
    if (fs::is_directory(candidate, ignored)
        && !avoid.native().starts_with(std::string(candidate) + "/")) {
      return candidate;
    }
  }
  throw std::system_error(
    ENOENT, std::generic_category(), "find a directory to make the guest's resolv.conf in");
}

/// A tmpfs mounted for a moment. What was bind-mounted from it elsewhere outlives it.
class ScratchMount
{
public:
  explicit ScratchMount(fs::path directory) : directory_(std::move(directory))
  {
    system_call(
      fmt::format("mount a tmpfs on {}", directory_.native()),
      ::mount("tmpfs", directory_.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m"));
  }
  ~ScratchMount() { ::umount2(directory_.c_str(), MNT_DETACH); }
  ScratchMount(const ScratchMount&) = delete;
  ScratchMount& operator=(const ScratchMount&) = delete;
  ScratchMount(ScratchMount&&) = delete;
  ScratchMount& operator=(ScratchMount&&) = delete;

  fs::path operator/(const char* name) const { return directory_ / name; }

private:
  fs::path directory_;
};

/// Makes the host's entry `name` appear in `etc` under the same name. A directory is mounted
/// and a symbolic link copied, so that relative links below it still lead where they led; a
/// file is linked to, so that one replaced on the host is seen here.
void mirror(const fs::path& etc, const fs::path& name)
{
  const fs::path source = etc / HOST_ETC / name;
  if (fs::is_symlink(source)) {
    fs::copy_symlink(source, etc / name);
  } else if (fs::is_directory(source)) {
    fs::create_directory(etc / name);
    bind(source, etc / name);
  } else {
    fs::create_symlink(fs::path(HOST_ETC) / name, etc / name);
  }
}

void cover_etc(std::string_view text)
{
  const ScratchMount scratch(scratch_directory("/etc/"));
  const fs::path etc = scratch / "etc";
  fs::create_directories(etc / HOST_ETC);
  bind("/etc", etc / HOST_ETC);
  for (const fs::directory_entry& entry : fs::directory_iterator(etc / HOST_ETC)) {
    if (entry.path().filename() != RESOLV_CONF.filename()) {
      mirror(etc, entry.path().filename());
    }
  }
  write_file(etc / RESOLV_CONF.filename(), text);
  bind(etc, "/etc");
}

void cover_file(const fs::path& file, std::string_view text)
{
  const ScratchMount scratch(scratch_directory(file));
  write_file(scratch / "resolv.conf", text);
  bind(scratch / "resolv.conf", file);
}

/// Without waiting, whatever the file is.
bool says(const fs::path& path, std::string_view text)
{
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat status = {};
  if (!file || ::fstat(file.get(), &status) < 0 || !S_ISREG(status.st_mode)) {
    return false;
  }
  std::string said(text.size() + 1, '\0');
  const ssize_t length = ::read(file.get(), said.data(), said.size());
  return length >= 0 && std::string_view(said).substr(0, static_cast<std::size_t>(length)) == text;
}

} // namespace

std::string resolv_conf_text(std::span<const IpAddress> servers, std::string_view host_text)
{
  std::string text = "# Made by slirpstack, for this mount namespace only.\n";
  for (const IpAddress& server : servers) {
    text += fmt::format("nameserver {}\n", server.to_string());
  }
  std::istringstream lines{std::string(host_text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string keyword;
    // resolv.conf(5): the keyword starts the line.
    if (words >> keyword && line.starts_with(keyword)
        && (keyword == "search" || keyword == "domain" || keyword == "options")) {
      text += line + "\n";
    }
  }
  return text;
}

std::string read_host_resolv_conf()
{
  std::ifstream file(RESOLV_CONF);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void install_resolv_conf(std::string_view text)
{
  system_call("make the mounts private", ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
  std::error_code missing;
  const fs::path file = fs::canonical(RESOLV_CONF, missing);
  if (missing) {
    cover_etc(text);
  } else {
    cover_file(file, text);
  }
}

bool restore_resolv_conf(std::string_view text)
{
  std::error_code missing;
  const fs::path file = fs::canonical(RESOLV_CONF, missing);
  if (missing || says(file, text)) {
    return false;
  }
  cover_file(file, text);
  return true;
}

} // namespace slirpstack
