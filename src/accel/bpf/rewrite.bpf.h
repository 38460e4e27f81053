#pragma once

/* Puts a decision into the packet. */

#include "packet.bpf.h"

/* Both ends of a packet as they shall be. */
struct translation
{
  __be32 source;
  __be32 destination;
  __be16 source_port;
  __be16 destination_port;
};

static __always_inline struct translation ends_of(const struct packet* p)
{
  struct translation ends = {
    .source = p->source,
    .destination = p->destination,
    .source_port = p->source_port,
    .destination_port = p->destination_port,
  };
  return ends;
}

/* An ICMP query has one identifier for both its ends; the end that is translated gives the new one.
 */
static __always_inline __be16 changed_identifier(const struct translation* from,
                                                 const struct translation* to)
{
  return to->source_port != from->source_port ? to->source_port : to->destination_port;
}

static __always_inline void rewrite_identifier(context* ctx, const struct packet* p, __be16 to)
{
  struct icmp_header* icmp = at(ctx, p->l4, sizeof(*icmp));
  if (icmp) {
    icmp->checksum = adjusted(icmp->checksum, difference16(icmp->identifier, to));
    icmp->identifier = to;
  }
}

/* TCP and UDP, whose ports lie at the same place. */
static __always_inline void rewrite_ports(context* ctx,
                                          const struct packet* p,
                                          const struct translation* to,
                                          __u32 addresses)
{
  __be16* ports = at(ctx, p->l4, 4);
  if (!ports) {
    return;
  }
  __u32 changes
    = difference16(ports[0], to->source_port) + difference16(ports[1], to->destination_port);
  ports[0] = to->source_port;
  ports[1] = to->destination_port;
  int is_udp = p->protocol == IPPROTO_UDP;
  __u32 offset
    = is_udp ? __builtin_offsetof(struct udphdr, check) : __builtin_offsetof(struct tcphdr, check);
  fix_transport(ctx, p->l4 + offset, addresses, changes, is_udp);
}

/* Addresses, hop limit, ports and the checksums over them. An ICMP error's message is left alone.
 */
static __always_inline void rewrite(context* ctx,
                                    const struct packet* p,
                                    const struct translation* to)
{
  struct iphdr* ip = at(ctx, p->l3, sizeof(*ip));
  if (!ip) {
    return;
  }
  __u32 addresses
    = difference32(p->source, to->source) + difference32(p->destination, to->destination);
  __u16* hop_limit = (__u16*)&ip->ttl; /* with the protocol it makes one word of the checksum */
  __u16 before = *hop_limit;
  ip->ttl--;
  ip->check = adjusted(ip->check, addresses + difference16(before, *hop_limit));
  ip->saddr = to->source;
  ip->daddr = to->destination;
  if (p->fragment == FRAGMENT_LATER || p->is_icmp_error) {
    return;
  }
  if (p->protocol == IPPROTO_ICMP) {
    struct translation from = ends_of(p);
    rewrite_identifier(ctx, p, changed_identifier(&from, to));
  } else {
    rewrite_ports(ctx, p, to, addresses);
  }
}

/* Where the frame came from. A copy, in words: packets are not aligned for more. */
struct sender
{
  __u16 mac[ETH_ALEN / 2];
};

static __always_inline int read_sender(context* ctx, struct sender* sender)
{
  const struct ethhdr* ethernet = at(ctx, 0, sizeof(*ethernet));
  if (!ethernet) {
    return -1;
  }
  __builtin_memcpy(sender->mac, ethernet->h_source, sizeof(sender->mac));
  return 0;
}

/* Of one vendor's addresses no two have the same. */
static __always_inline __u32 digest_of(const struct sender* sender)
{
  return (sender->mac[0] | (__u32)sender->mac[1] << 16) ^ sender->mac[2] * 0x10001U;
}

/* Notes a sender, where it is another one than before. */
static __always_inline void move_guest(__u8* mac, const struct sender* sender)
{
  __u16* old = (__u16*)mac;
  if (((old[0] ^ sender->mac[0]) | (old[1] ^ sender->mac[1]) | (old[2] ^ sender->mac[2])) != 0) {
    __builtin_memcpy(mac, sender->mac, sizeof(sender->mac));
  }
}

static __always_inline void rewrite_macs(context* ctx, const __u8* destination, const __u8* source)
{
  struct ethhdr* ethernet = at(ctx, 0, sizeof(*ethernet));
  if (ethernet) {
    copy_mac(ethernet->h_dest, destination);
    copy_mac(ethernet->h_source, source);
  }
}
