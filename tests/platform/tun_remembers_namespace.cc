// /dev/net/tun belongs to the network namespace it was opened in, not the one TUNSETIFF is called
// in: guest/tap_device opens it only after the join.
#include "kernel.hh"

int main()
{
  become_namespace_root(CLONE_NEWNET);
  const int before = open_tun_driver();
  require(::unshare(CLONE_NEWNET) == 0,
          "root of a user namespace makes a second network namespace");
  require(attach(before, IFF_TAP) == 0, "a driver opened before is usable after");
  require(::if_nametoindex("probe0") == 0, "the tap is not in the namespace we are in now");
  const int after = open_tun_driver();
  require(attach(after, IFF_TAP) == 0 && ::if_nametoindex("probe0") != 0,
          "one opened here makes its tap here");
}
