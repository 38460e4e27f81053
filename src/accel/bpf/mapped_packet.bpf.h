#pragma once

/* What a packet of a mapped IPv6 address says: the flow that it would be of, and what of it has to
 * be written anew. Nothing is believed that its receiver may read in another way. */

#include "address6.bpf.h"

#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129
#define ICMPV6_HEADER_BYTES 8
#define LEAST_TRANSPORT_BYTES 8 /* UDP's header, and that of ICMPv6 */

enum packet_way
{
  WAY_OUT,
  WAY_IN,
};

struct mapped_packet
{
  struct upper_layer upper;
  struct nat_mapped_key key;
  struct address internal; /* outbound: of the flow's guest */
  struct address address;  /* outbound: what its source becomes */
  struct address quoted;   /* outbound, of an error: what the quoted destination becomes */
  struct nat_mapped_piece_key piece_key; /* of a fragment */
  struct nat_mapped_piece piece;
  __u32 l3;
  __u32 end; /* of what the header states to be the packet */
  __u32 length;
  __u8 tcp_flags;
  __u8 header_bytes; /* of TCP or UDP */
  __u8 is_error;
};

/* Too large for the stack: that of IPv4, which is not in use meanwhile, is on it too. */
struct
{
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __type(key, __u32);
  __type(value, struct mapped_packet);
  __uint(max_entries, 1);
} mapped_scratch SEC(".maps");

static __noinline struct mapped_packet* empty_packet(void)
{
  __u32 zero = 0;
  struct mapped_packet* m = bpf_map_lookup_elem(&mapped_scratch, &zero);
  if (m) {
    __builtin_memset(m, 0, sizeof(*m));
  }
  return m;
}

static __always_inline int is_same_address(const void* one, const void* other)
{
  const __be32* a = one;
  const __be32* b = other;
  return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]));
}

/* What the packet's receiver does not see says nothing about its flow: at() would see it too. */
static __always_inline void* within(context* ctx,
                                    const struct mapped_packet* m,
                                    __u32 offset,
                                    __u32 size)
{
  return offset + size > m->end ? 0 : at(ctx, offset, size);
}

/* Returns -1 for a packet that is not whole, or that its receiver may read in another way. Only a
 * super-segment of more than 64 KiB states no length. */
static __noinline int read_headers(context* ctx, __u32 l3, struct mapped_packet* m)
{
  const struct ipv6hdr* ip = at(ctx, l3, sizeof(*ip));
  if (!m || !ip || ip->version != 6) {
    return -1;
  }
  __u32 payload = bpf_ntohs(ip->payload_len);
  __u32 frame = frame_length(ctx);
  m->end = payload || !segment_bytes(ctx) ? l3 + sizeof(*ip) + payload : frame;
  if (m->end > frame || find_upper_layer(ctx, l3, &m->upper) || m->upper.is_disputable) {
    return -1;
  }
  __u32 least = m->upper.is_later_fragment ? 0 : LEAST_TRANSPORT_BYTES;
  return m->upper.offset + least > m->end ? -1 : 0;
}

/* Protocol and ports of what the guest has sent, or was sent to it. Returns -1 for what no flow is
 * made of. */
static __always_inline int read_ends(context* ctx,
                                     __u32 offset,
                                     __u8 protocol,
                                     enum packet_way way,
                                     struct mapped_packet* m)
{
  struct nat_mapped_key* key = &m->key;
  key->protocol = protocol;
  if (protocol == IPPROTO_ICMPV6) {
    const struct icmp_header* echo = within(ctx, m, offset, sizeof(*echo));
    if (!echo || echo->type != (way == WAY_OUT ? ICMPV6_ECHO_REQUEST : ICMPV6_ECHO_REPLY)) {
      return -1;
    }
    key->port = echo->identifier;
    return 0;
  }
  const __be16* ports = within(ctx, m, offset, 4);
  if (!ports || (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)) {
    return -1;
  }
  key->port = ports[way == WAY_OUT ? 0 : 1];
  key->remote_port = ports[way == WAY_OUT ? 1 : 0];
  return 0;
}

static __always_inline int read_tcp(context* ctx, struct mapped_packet* m)
{
  m->header_bytes = LEAST_TRANSPORT_BYTES;
  if (m->upper.protocol != IPPROTO_TCP) {
    return 0;
  }
  const struct tcphdr* tcp = within(ctx, m, m->upper.offset, sizeof(*tcp));
  if (!tcp) {
    return -1;
  }
  m->tcp_flags = ((const __u8*)tcp)[13];
  m->header_bytes = tcp->doff * 4;
  return 0;
}

static __always_inline int find_error(context* ctx, struct mapped_packet* m)
{
  if (m->upper.protocol != IPPROTO_ICMPV6) {
    return 0;
  }
  const __u8* type = within(ctx, m, m->upper.offset, 1);
  if (!type) {
    return -1;
  }
  m->is_error = *type < ICMPV6_QUERIES;
  return 0;
}

/* The packet that an error quotes went the other way. A quotation with extension headers is of no
 * flow: they are in no packet that would have been let pass as a whole. */
static __always_inline int read_quotation(context* ctx,
                                          struct mapped_packet* m,
                                          enum packet_way way,
                                          struct address* source,
                                          struct address* destination)
{
  __u32 l3 = m->upper.offset + ICMPV6_HEADER_BYTES;
  const struct ipv6hdr* ip = within(ctx, m, l3, sizeof(*ip));
  if (!ip) {
    return -1;
  }
  __u8 protocol = ip->nexthdr;
  if (load_address(ctx, l3 + SOURCE_OFFSET, source)
      || load_address(ctx, l3 + DESTINATION_OFFSET, destination)) {
    return -1;
  }
  return read_ends(ctx, l3 + sizeof(*ip), protocol, way == WAY_OUT ? WAY_IN : WAY_OUT, m);
}

/* Of a later fragment: the flow of the first, if that has been seen. */
static __noinline int find_piece(context* ctx, __u32 l3, __u32 side, struct mapped_packet* m)
{
  if (!m || load_address(ctx, l3 + SOURCE_OFFSET, (struct address*)m->piece_key.source)
      || load_address(ctx, l3 + DESTINATION_OFFSET, (struct address*)m->piece_key.destination)) {
    return -1;
  }
  m->piece_key.identification = m->upper.identification;
  m->piece_key.side = side;
  if (!m->upper.is_later_fragment) {
    return 0;
  }
  const struct nat_mapped_piece* first = bpf_map_lookup_elem(&mapped_pieces, &m->piece_key);
  if (!first || bpf_ktime_get_coarse_ns() - first->seen > FRAGMENT_LIFETIME_NS) {
    return -1;
  }
  m->key = first->flow;
  return 0;
}

/* What follows the first fragment is of its flow. */
static __always_inline void note_piece(struct mapped_packet* m)
{
  if (m->upper.is_fragment && !m->upper.is_later_fragment && !m->is_error) {
    m->piece.seen = bpf_ktime_get_coarse_ns();
    m->piece.flow = m->key;
    bpf_map_update_elem(&mapped_pieces, &m->piece_key, &m->piece, BPF_ANY);
  }
}

static __always_inline int map_outbound(struct address* address, __u32 zone)
{
  const struct nat_prefix* mapping = prefix_of(address, zone);
  return mapping ? map_address(mapping, address) : -1;
}

/* What a guest sends, and the flow that it would be of. Returns -1 for what can be of none: an
 * early fragment, or another protocol. An error goes to whom the quoted packet was from, and nobody
 * else. */
static __noinline int parse_outbound(context* ctx, __u32 l3, __u32 zone, struct mapped_packet* m)
{
  struct address destination;
  if (!m || load_address(ctx, l3 + SOURCE_OFFSET, &m->internal)
      || load_address(ctx, l3 + DESTINATION_OFFSET, &destination)) {
    return -1;
  }
  m->address = m->internal;
  if (map_outbound(&m->address, zone) || read_headers(ctx, l3, m)
      || (m->upper.is_fragment && find_piece(ctx, l3, zone, m))) {
    return -1;
  }
  if (m->upper.is_later_fragment) {
    return 0;
  }
  if (find_error(ctx, m)) {
    return -1;
  }
  __builtin_memcpy(m->key.remote, &destination, sizeof(destination));
  if (!m->is_error) {
    __builtin_memcpy(m->key.external, &m->address, sizeof(m->address));
    return read_ends(ctx, m->upper.offset, m->upper.protocol, WAY_OUT, m) || read_tcp(ctx, m) ? -1
                                                                                              : 0;
  }
  struct address remote;
  if (read_quotation(ctx, m, WAY_OUT, &remote, &m->internal)
      || !is_same_address(&remote, &destination)) {
    return -1;
  }
  m->quoted = m->internal;
  if (map_outbound(&m->quoted, zone)) {
    return -1;
  }
  __builtin_memcpy(m->key.external, &m->quoted, sizeof(m->quoted));
  return 0;
}

/* The same for what comes from outside. */
static __noinline int parse_inbound(context* ctx, __u32 l3, struct mapped_packet* m)
{
  if (!m || read_headers(ctx, l3, m)
      || (m->upper.is_fragment && find_piece(ctx, l3, NAT_PREFIX_EXTERNAL, m))) {
    return -1;
  }
  if (m->upper.is_later_fragment) {
    return 0;
  }
  struct address* external = (struct address*)m->key.external;
  struct address* remote = (struct address*)m->key.remote;
  if (find_error(ctx, m)) {
    return -1;
  }
  if (!m->is_error) {
    return load_address(ctx, l3 + SOURCE_OFFSET, remote)
               || load_address(ctx, l3 + DESTINATION_OFFSET, external)
               || read_ends(ctx, m->upper.offset, m->upper.protocol, WAY_IN, m) || read_tcp(ctx, m)
             ? -1
             : 0;
  }
  struct address destination;
  return load_address(ctx, l3 + DESTINATION_OFFSET, &destination)
             || read_quotation(ctx, m, WAY_IN, external, remote)
             || !is_same_address(external, &destination)
           ? -1
           : 0;
}
