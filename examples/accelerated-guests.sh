#!/bin/sh
# accelerated-guests.sh EXTERNAL NAME...: gives network namespaces the internet by a NAT in the
# kernel, all of them by one process, and makes those that are missing. As root, in the foreground.
#
#   accelerated-guests.sh eth0 blue green
#   ip netns exec blue ping -c1 9.9.9.9
#   slirpstack ctl /run/slirpstack-accel.sock.1 accel status     (without .1 if there is one guest)
#
# Where the kernel or the privileges are missing the log says what, and the user-mode stack does it.
set -eu

[ $# -ge 2 ] || { echo "usage: $0 EXTERNAL NAME..." >&2 && exit 2; }
external=$1
shift
guests=
for name in "$@"; do
  [ -e "/run/netns/$name" ] || ip netns add "$name"
  mkdir -p "/etc/netns/$name"
  echo "nameserver 10.0.2.3" >"/etc/netns/$name/resolv.conf"
  guests=$guests${guests:+,}$name
done
exec slirpstack -accel auto -external "$external" -interface eth0 \
  -netns "$guests" -control /run/slirpstack-accel.sock
