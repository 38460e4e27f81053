#!/bin/sh
# podman.sh [PODMAN OPTIONS…] IMAGE [PROGRAM…]: a container without a network of podman's
# (--network none), given one from outside. `podman init` makes its namespaces and holds its program
# until `podman start`, so that the network is there first.
set -eu

[ $# -gt 0 ] || { echo "usage: $0 [PODMAN OPTIONS…] IMAGE [PROGRAM…]" >&2 && exit 2; }
for program in podman slirpstack; do
  command -v "$program" >/dev/null || { echo "$0: $program is not in PATH" >&2 && exit 1; }
done

directory=$(mktemp -d)
container=
trap '[ -z "$container" ] || podman rm --force --ignore "$container" >/dev/null
  rm -rf "$directory"' EXIT
mkfifo "$directory/ready"
echo "nameserver 10.0.2.3" >"$directory/resolv.conf"

container=$(podman create --network none --interactive \
  --volume "$directory/resolv.conf:/etc/resolv.conf:ro" "$@")
podman init "$container" >/dev/null
guest=$(podman inspect --format '{{.State.Pid}}' "$container")
slirpstack -quiet -configure -ready-fd 3 "$guest" 3>"$directory/ready" &
# Nothing comes if slirpstack fails, which then has said why.
read -r _ <"$directory/ready" || exit 1
# slirpstack ends by itself once the container has.
podman start --attach --interactive "$container"
