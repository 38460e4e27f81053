// An open tap keeps its network namespace alive and shows no event when the last process leaves:
// guest/namespace_watch watches what the user named instead.
#include "kernel.hh"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/stat.h>

int main()
{
  become_namespace_root(CLONE_NEWNET);
  const int tap = open_tun_driver();
  require(attach(tap, IFF_TAP) == 0, "a tap can be made");
  struct stat guest = {};
  require(::stat("/proc/self/ns/net", &guest) == 0, "a namespace has a number");
  // We were its only process.
  require(::unshare(CLONE_NEWNET) == 0, "we can leave it");

  pollfd events{tap, POLLIN | POLLRDHUP, 0};
  require(::poll(&events, 1, 200) == 0, "the tap tells nothing of it");
  const int pinned = ::ioctl(tap, SIOCGSKNS, 0);
  struct stat still = {};
  require(pinned >= 0 && ::fstat(pinned, &still) == 0 && still.st_ino == guest.st_ino,
          "the namespace is still there");
}
