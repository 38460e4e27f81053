#pragma once

#include "stack/lwip.hh"

namespace slirpstack {

/// What lwIP calls. Every function only records a fact: what follows from it is done after lwIP
/// has been left. None may throw: the frames above are C.
struct StackCallbacks
{
  static err_t initialise(netif* interface) noexcept;
  static err_t output_ipv4(netif* interface, pbuf* packet, const ip4_addr_t* destination) noexcept;
  static err_t output_ipv6(netif* interface, pbuf* packet, const ip6_addr_t* destination) noexcept;

  /// The payload that the guest takes in one segment, of the connection that is just sending.
  static std::uint16_t segment_bytes(const netif& interface) noexcept;

  static err_t accepted(void* connection, tcp_pcb* pcb, err_t error) noexcept;
  static err_t connected(void* connection, tcp_pcb* pcb, err_t error) noexcept;
  static err_t received(void* connection, tcp_pcb* pcb, pbuf* data, err_t error) noexcept;
  static err_t acknowledged(void* connection, tcp_pcb* pcb, u16_t length_bytes) noexcept;
  static void gone(void* connection, err_t reason) noexcept;
};

} // namespace slirpstack
