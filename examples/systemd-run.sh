#!/bin/sh
# systemd-run.sh PROGRAM…: a transient user service whose program has the internet through
# slirpstack and nothing else: no way to the host's own addresses or to its networks.
set -eu
[ $# -gt 0 ] || { echo "usage: $0 PROGRAM…" >&2 && exit 2; }
# The service has a PATH of its own.
slirpstack=$(command -v slirpstack) || { echo "$0: slirpstack is not in PATH" >&2 && exit 1; }

exec systemd-run --user --wait --collect --pipe \
  --property=NoNewPrivileges=yes --property=MemoryMax=1G \
  "$slirpstack" run -quiet -- "$@"
