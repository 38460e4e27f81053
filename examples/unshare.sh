#!/bin/sh
# unshare.sh [PROGRAM…]: a namespace made by unshare(1), joined from outside by the pid of a process
# in it. The program waits on a fifo until slirpstack says that the network is ready.
set -eu

command -v slirpstack >/dev/null || { echo "$0: slirpstack is not in PATH" >&2 && exit 1; }
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
mkfifo "$directory/ready"
echo "nameserver 10.0.2.3" >"$directory/resolv.conf"

[ $# -gt 0 ] || set -- "${SHELL:-sh}"
# A shell would take its background program's standard input away; descriptor 4 keeps it.
exec 4<&0
# shellcheck disable=SC2016 # expanded inside
unshare --user --map-root-user --mount --net -- sh -c '
  mount --bind "$1/resolv.conf" "$(readlink -f /etc/resolv.conf)"
  read -r _ <"$1/ready" && shift && exec "$@" <&4 4<&-' sh "$directory" "$@" &
guest=$!

# Before unshare has made them, the pid still leads to our own namespaces.
while [ "$(readlink "/proc/$guest/ns/net")" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
slirpstack -quiet -configure -ready-fd 3 "$guest" 3>"$directory/ready" &
# slirpstack ends by itself once that process has.
wait "$guest"
