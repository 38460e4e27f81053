#pragma once

#include "base/bytes.hh"
#include "wire/ip.hh"

namespace slirpstack {

/// Whether `payload`, the whole upper layer of an unfragmented packet, carries a right checksum:
/// TCP, UDP, ICMP and ICMPv6; any other protocol passes. UDP without a checksum passes over IPv4
/// only (RFC 768, RFC 8200 8.1).
[[nodiscard]] bool verify_transport_checksum(const IpHeader& header, ByteView payload);

/// Computes the checksum of `payload`, a TCP segment, UDP datagram, ICMP or ICMPv6 message that
/// is all there, and puts it into its field. UDP's zero is sent as 0xffff. Other protocols and
/// payloads too short for the field are left alone.
void fill_transport_checksum(const IpHeader& header, MutableBytes payload);

} // namespace slirpstack
