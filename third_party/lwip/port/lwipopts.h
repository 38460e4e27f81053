/* lwIP as a TCP engine and nothing else: frames, ARP, ND, ICMP, UDP, fragments and timers are the
   program's. Every packet is handed to lwIP together with the one connection it belongs to. */
#ifndef SLIRPSTACK_LWIPOPTS_H
#define SLIRPSTACK_LWIPOPTS_H

/* One thread, no operating system layer; src/stack calls tcp_tmr() only while something waits. */
#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_TIMERS 0
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0
#define LWIP_STATS 0

/* The C library's allocator: no fixed pools to size, and sanitizers see every overrun. */
#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT 8
#define LWIP_SUPPORT_CUSTOM_PBUF 1
#define PBUF_POOL_BUFSIZE 1664
#define PBUF_LINK_HLEN 0
#define PBUF_LINK_ENCAPSULATION_HLEN 0

/* One netif that only sends. lwIP never sees Ethernet. */
#define LWIP_SINGLE_NETIF 1
#define LWIP_HAVE_LOOPIF 0
#define LWIP_NETIF_LOOPBACK 0
#define LWIP_ARP 0
#define LWIP_ETHERNET 0
/* The hint lies inside the sending pcb: the output callback finds its connection by it. */
#define LWIP_NETIF_HWADDRHINT 1

#define LWIP_IPV4 1
#define LWIP_IPV6 1
#define IP_FORWARD 0
/* lwIP's reassembly is one file-static list, ten pbufs short; wire/fragment bounds its own. */
#define IP_REASSEMBLY 0
#define IP_FRAG 0
#define LWIP_IPV6_REASS 0
#define LWIP_IPV6_FRAG 0
#define LWIP_IPV6_FORWARD 0
#define LWIP_IPV6_MLD 0
#define LWIP_IPV6_AUTOCONFIG 0
#define LWIP_IPV6_SEND_ROUTER_SOLICIT 0
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS 0
#define LWIP_IPV6_SCOPES 0
#define LWIP_ND6_TCP_REACHABILITY_HINTS 0
#define LWIP_ND6_ALLOW_RA_UPDATES 0
#define LWIP_ND6_QUEUEING 0
/* Errors are built in wire/icmp: lwIP drops its ICMPv6 errors when its netif has no address.
   ip6.c does not link without icmp6.c; ip6_input(), which would use it, is never called. */
#define LWIP_ICMP 0
#define LWIP_ICMP6 1
#define LWIP_UDP 0
#define LWIP_RAW 0
#define LWIP_DNS 0
#define LWIP_DHCP 0

/* Inwards the link verifies a checksum unless the kernel vouches for it (vnet_hdr); outwards the
   kernel fills TCP's in. Only the IPv4 header's is lwIP's work. */
#define CHECKSUM_GEN_IP 1
#define CHECKSUM_GEN_TCP 0
#define CHECKSUM_CHECK_IP 0
#define CHECKSUM_CHECK_TCP 0
#define LWIP_CHECKSUM_ON_COPY 0
#define LWIP_CHECKSUM_CTRL_PER_NETIF 0

#define LWIP_TCP 1
#define LWIP_CALLBACK_API 1
#define SO_REUSE 0
/* MSS and buffers go beyond what lwIP's checks foresee (u16_t low-water marks of its sockets,
   which are off). */
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1
/* 65535 - 40: a segment as large as a TSO frame can be; the guest's real MSS is the gso_size. */
#define TCP_MSS 65495
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 8
#define TCP_WND (4 * 1024 * 1024)
#define TCP_SND_BUF (16 * 1024 * 1024)
/* The most that its u16_t holds with room for the pieces of one write. */
#define TCP_SND_QUEUELEN 0xfff0
/* Writes reference our buffers: there is no tail to fill up. */
#define TCP_OVERSIZE 0
#define TCP_QUEUE_OOSEQ 1
#define LWIP_TCP_SACK_OUT 1
/* What a guest can pin by leaving a hole. A tap does not reorder, so in honest traffic this is a
   lost super-segment (64 KB) and the fifteen behind it, or 256 segments of 1460 bytes; beyond, the
   guest sends again. The list is walked per segment: 256 also bounds the time that a flood of
   one-byte segments costs. */
#define TCP_OOSEQ_MAX_BYTES (1024 * 1024)
#define TCP_OOSEQ_MAX_PBUFS 256
/* lwIP's default follows the 4 MB window: a guest without window scaling would fill 65535 bytes,
   then wait for its own probe. */
#define TCP_WND_UPDATE_THRESHOLD (16 * 1024)
#define LWIP_TCP_TIMESTAMPS 0
/* The guest's connection is admitted once the host's is up: nothing waits in a backlog. */
#define TCP_LISTEN_BACKLOG 0
/* Milliseconds. 50 instead of 250: a timer runs only while a pcb needs one, so it can be fine. */
#define TCP_TMR_INTERVAL 50
/* TIME_WAIT of 4 s: one hop, no wandering duplicates; a reused port is opened anew (RFC 6191). */
#define TCP_MSL 2000
/* RFC 6298 section 2.1: one second. */
#define LWIP_TCP_RTO_TIME 1000

#define LWIP_HOOK_FILENAME "lwip_hooks.h"

#endif
