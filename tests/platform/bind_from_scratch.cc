// A file bind-mounted from a tmpfs outlives that tmpfs' own mount, and nothing can be mounted over
// a link that leads nowhere: the two ways of guest/resolv_conf.
#include "kernel.hh"

#include <sys/mount.h>

int main()
{
  become_namespace_root(CLONE_NEWNS);
  require(::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "mounts can be private");
  require(::mount("tmpfs", "/mnt", "tmpfs", 0, nullptr) == 0, "a tmpfs can be mounted");
  ::close(::open("/mnt/target", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  require(::symlink("absent/file", "/mnt/dangling") == 0, "a link can be made");
  require(::mount("/mnt/target", "/mnt/dangling", nullptr, MS_BIND, nullptr) < 0 && errno == ENOENT,
          "a dangling link is no mount point");

  require(::mount("tmpfs", "/tmp", "tmpfs", 0, nullptr) == 0, "a second tmpfs can be mounted");
  const int source = ::open("/tmp/source", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  require(::write(source, "text", 4) == 4, "it can be written");
  ::close(source);
  require(::mount("/tmp/source", "/mnt/target", nullptr, MS_BIND, nullptr) == 0, "a file binds");
  require(::umount2("/tmp", MNT_DETACH) == 0, "the scratch mount can go");
  char text[8] = {};
  const int target = ::open("/mnt/target", O_RDONLY | O_CLOEXEC);
  require(::read(target, text, sizeof text) == 4 && std::strcmp(text, "text") == 0,
          "the file stays");
}
