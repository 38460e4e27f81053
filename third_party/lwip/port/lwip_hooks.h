#ifndef SLIRPSTACK_LWIP_HOOKS_H
#define SLIRPSTACK_LWIP_HOOKS_H

#include "lwip/ip_addr.h"

#ifdef __cplusplus
extern "C"
{
#endif

/* The initial sequence number of a connection (RFC 6528). lwIP's own is a counter that starts at
   6510, so one who sees a single connection could forge another. Ports in host order. */
u32_t
slirpstack_tcp_isn(const ip_addr_t* local_ip,
                   u16_t local_port,
                   const ip_addr_t* remote_ip,
                   u16_t remote_port);

#ifdef __cplusplus
}
#endif

#define LWIP_HOOK_TCP_ISN(local_ip, local_port, remote_ip, remote_port)                           \
  slirpstack_tcp_isn(local_ip, local_port, remote_ip, remote_port)

#endif
