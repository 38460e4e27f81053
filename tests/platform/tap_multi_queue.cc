// A device made with IFF_MULTI_QUEUE opens with that flag only, and the other way round; the kernel
// says which it is (IFLA_TUN_MULTI_QUEUE, read by guest/interface).
#include "kernel.hh"

#include <initializer_list>

int main()
{
  become_namespace_root(CLONE_NEWNET);
  for (const int made_with : {0, IFF_MULTI_QUEUE}) {
    const int maker = open_tun_driver();
    require(attach(maker, IFF_TAP | made_with) == 0, "a tap can be made");
    require(::ioctl(maker, TUNSETPERSIST, 1) == 0, "a tap can be made to stay");
    ::close(maker);
    const int wrong = open_tun_driver();
    require(attach(wrong, IFF_TAP | (made_with ^ IFF_MULTI_QUEUE)) < 0 && errno == EINVAL,
            "the wrong kind is EINVAL");
    ::close(wrong);
    const int right = open_tun_driver();
    require(attach(right, IFF_TAP | IFF_VNET_HDR | made_with) == 0,
            "the right kind opens, and takes a vnet header though its maker had none");
    require(::ioctl(right, TUNSETPERSIST, 0) == 0, "a tap can be made to go");
    ::close(right);
  }
}
