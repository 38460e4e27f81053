#!/bin/sh
# bubblewrap.sh [PROGRAM…]: a bubblewrap sandbox without a network of its own (--unshare-net), given
# one from outside. bwrap tells the pid on one descriptor and holds the program on another.
set -eu

for program in bwrap slirpstack; do
  command -v "$program" >/dev/null || { echo "$0: $program is not in PATH" >&2 && exit 1; }
done
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
mkfifo "$directory/info" "$directory/go"
echo "nameserver 10.0.2.3" >"$directory/resolv.conf"

[ $# -gt 0 ] || set -- "${SHELL:-sh}"
# Opened for both directions, so that neither side waits for the other to open.
exec 4<>"$directory/go" 5<&0
bwrap --unshare-user --unshare-net --die-with-parent \
  --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp \
  --ro-bind "$directory/resolv.conf" "$(readlink -f /etc/resolv.conf)" \
  --info-fd 3 --block-fd 4 \
  "$@" 3>"$directory/info" 0<&5 5<&- &
sandbox=$!

guest=$(sed -n 's/.*"child-pid": \([0-9]*\).*/\1/p' "$directory/info")
# The program is bwrap's child, which waits on for the descriptor when bwrap alone has gone.
[ -z "$guest" ] ||
  { slirpstack -quiet -configure -ready-fd 4 "$guest" || kill "$guest" "$sandbox" 2>/dev/null; } &
status=0
wait "$sandbox" || status=$?
exit $status
