#!/bin/sh
# mapping-container.sh lxd|incus|docker|podman CONTAINER: hands the control socket of a running
# slirpstack, restricted to the container's own mappings, into a container. No /proc mounts, no
# privileged container, no AppArmor profile switched off: a Unix socket in a folder is all it takes.
#
# slirpstack makes the socket itself, anew at each start, so the folder is mounted and not the
# socket. It is started with
#
#   install -d -m 0700 /run/slirpstack
#   install -d -m 0755 /run/slirpstack/CONTAINER
#   slirpstack … -control-restricted \
#     /run/slirpstack/CONTAINER/map.sock:fd00:1::/64=2001:db8:2:1::/64      shows and changes
#     /run/slirpstack/CONTAINER/map.sock:fd00:1::/64                        shows
#     /run/slirpstack/CONTAINER/map.sock:fd00:1::/64=2001:db8:2:1::/64,open may open them, too (-accel)
#
# What may be done is decided there, by the external prefixes behind `=`; a folder that is mounted
# read-only hinders nobody from using a socket in it. The socket is open to whoever reaches it: on the
# host the closed folder above keeps other users out, and the mount leads the container past that.
#
# Inside, slirpstack under the name slnat finds the socket at its default path:
#
#   slnat eth0 add fd00:1::80/128 2001:db8:2:1::80/128
#   slnat eth0 list
set -eu

usage="usage: $0 lxd|incus|docker|podman CONTAINER"
[ $# = 2 ] || { echo "$usage" >&2 && exit 2; }
manager=$1
container=$2
folder=/run/slirpstack/$container
inside=/run/slirpstack

# Made above; without it nothing is mounted.
check_folder() {
  [ -d "$folder" ] || { echo "$0: there is no $folder" >&2 && exit 1; }
}

case $manager in
lxd | incus)
  check_folder
  # The container's root is mapped to another user of the host, which the socket's mode allows for.
  client=$([ "$manager" = lxd ] && echo lxc || echo incus)
  "$client" config device add "$container" slirpstack-map disk \
    source="$folder" path="$inside" readonly=true
  ;;
docker | podman)
  check_folder
  # A mount is given at the start; IMAGE and what follows are the container's own.
  echo "$manager run --name $container" \
    "--mount type=bind,source=$folder,target=$inside,readonly IMAGE"
  ;;
*)
  echo "$0: \"$manager\" is none of the container managers that this knows" >&2
  echo "$usage" >&2
  exit 2
  ;;
esac
