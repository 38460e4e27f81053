#!/bin/sh
# cgnat-router.sh EXTERNAL INTERNAL ADDRESS NETWORK [OPTION...]: the NAT in the kernel between two
# interfaces of a router. As root, in the foreground.
#
#   cgnat-router.sh eth0 eth1 203.0.113.1 10.0.0.0/8
#
# A router has net.ipv4.ip_forward on, so where the NAT is not there, before its start and after its
# end, the kernel would send packets of NETWORK out of EXTERNAL as they are. The rule closes that
# way. What the NAT translates does not come by it; what goes to other interfaces is not concerned.
# The route keeps packets for ADDRESS that are nobody's from going back to where they came from; if
# ADDRESS is the router's own it changes nothing. Both stay when the NAT ends, however that is.
set -eu

[ $# -ge 4 ] || { echo "usage: $0 EXTERNAL INTERNAL ADDRESS NETWORK [OPTION...]" >&2 && exit 2; }
external=$1
internal=$2
address=$3
network=$4
shift 4
# Before the way is closed: it stays so when cgnat does not start.
command -v cgnat >/dev/null || { echo "$0: there is no command cgnat: link it to slirpstack" >&2 && exit 127; }
for interface in "$external" "$internal"; do
  ip link show dev "$interface" >/dev/null || exit 2
done
nft -f - <<END
table ip cgnat
delete table ip cgnat
table ip cgnat {
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname "$internal" oifname "$external" ip saddr $network counter drop
  }
}
END
ip route replace blackhole "$address"
exec cgnat -e "$external" -i "$internal" -E "$address" -I "$network" "$@"
