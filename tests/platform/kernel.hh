#pragma once

// For the small programs that each check one behaviour of the kernel which slirpstack relies on.
// They link nothing of slirpstack. Exit status: 0 as expected, 1 not so, 77 could not be tried.

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

[[noreturn]] inline void skip(const char* reason)
{
  std::printf("skipped: %s: %s\n", reason, std::strerror(errno));
  std::exit(77);
}

inline void require(bool condition, const char* expectation)
{
  if (!condition) {
    std::printf("not so: %s (errno: %s)\n", expectation, std::strerror(errno));
    std::exit(1);
  }
}

/// Puts `text` into an existing file such as /proc/self/uid_map.
inline bool write_file(const char* path, const char* text)
{
  const int file = ::open(path, O_WRONLY | O_CLOEXEC);
  const bool written = file >= 0 && ::write(file, text, std::strlen(text)) >= 0;
  if (file >= 0) {
    ::close(file);
  }
  return written;
}

/// Enters new namespaces (of `kinds`) as the root of a new user namespace, or skips.
inline void become_namespace_root(int kinds)
{
  char uid_map[32];
  char gid_map[32];
  std::snprintf(uid_map, sizeof uid_map, "0 %u 1\n", ::geteuid());
  std::snprintf(gid_map, sizeof gid_map, "0 %u 1\n", ::getegid());
  if (::unshare(CLONE_NEWUSER | kinds) != 0) {
    skip("this machine lets us make no user namespace");
  }
  if (!write_file("/proc/self/setgroups", "deny") || !write_file("/proc/self/uid_map", uid_map)
      || !write_file("/proc/self/gid_map", gid_map)) {
    skip("cannot map our ids");
  }
}

inline int open_tun_driver()
{
  const int driver = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (driver < 0) {
    skip("cannot open /dev/net/tun");
  }
  return driver;
}

/// TUNSETIFF for the interface "probe0".
inline int attach(int driver, int flags)
{
  ifreq request{};
  std::strcpy(request.ifr_name, "probe0");
  request.ifr_flags = static_cast<short>(flags | IFF_NO_PI);
  return ::ioctl(driver, TUNSETIFF, &request);
}
