/* The maps between slirpstack and its NAT in the kernel: what each key and value means. Read by
 * the BPF programs, by slirpstack, and by whoever else looks into maps that are pinned.
 *
 * Addresses, ports and ICMP identifiers are in network byte order, all other numbers in the
 * machine's. There is no implicit padding; fields called `zero` must be 0, since the kernel
 * compares keys byte by byte. Times are those of CLOCK_MONOTONIC (coarse), in nanoseconds.
 *
 *   map           type          key → value
 *   settings      ARRAY         0 → nat_settings
 *   bindings      HASH          nat_endpoint (internal) → nat_binding
 *   owners        HASH          nat_endpoint (external) → nat_owner
 *   sessions      HASH          nat_session_key → nat_session
 *   visitors      ARRAY         NAT_VISITORS_COME, NAT_VISITORS_GONE → __u32
 *   recent        ARRAY         0 to nat_settings.recent_sets - 1 → nat_recent
 *   ended         ARRAY         NAT_ENDED_SLOT(external port) → __u64
 *   fragments     LRU_HASH      nat_fragment_key → nat_fragment
 *   awaited       LRU_HASH      nat_fragment_key → __u32     `early` has fragments of it
 *   early         RINGBUF       nat_early, and a frame
 *   subscribers   HASH          nat_subscriber_key → nat_subscriber
 *   released      HASH          nat_subscriber_key → __u32
 *   exempt        LPM_TRIE      nat_route_key → __u32      destinations that are not translated
 *   routes        LPM_TRIE      nat_route_key → nat_route
 *   routes6       LPM_TRIE      nat_route6_key → nat_route   both of the above, for IPv6
 *   prefixes      LPM_TRIE      nat_prefix_key → nat_prefix
 *   mapped        HASH          nat_mapped_key → nat_mapped
 *   mapped_pieces LRU_HASH      nat_mapped_piece_key → nat_mapped_piece
 *   stations      LRU_HASH      nat_station_key → nat_station
 *   interfaces    HASH          __u32 ifindex → nat_interface
 *   devices       DEVMAP_HASH   __u32 ifindex → __u32 ifindex
 *   statistics    PERCPU_ARRAY  nat_statistic → nat_count
 *   events        RINGBUF       nat_event
 */
#ifndef SLIRPSTACK_NAT_MAP_H
#define SLIRPSTACK_NAT_MAP_H

#include <linux/bpf.h>
#include <linux/types.h>

/* Changes with every change of a layout; part of the name under which maps are pinned. */
#define NAT_MAP_VERSION 5

#define NAT_MAX_RANGES 8

/* One address and port with its protocol. For ICMP queries the port is the identifier. */
struct nat_endpoint
{
  __be32 address;
  __be16 port;
  __u8 protocol;
  __u8 zone; /* of an internal address: nat_interface.zone; external: 0 */
};

/* Flags of nat_binding and nat_owner. */
#define NAT_STATIC 1U      /* a forward: never expires, no filter applies */
#define NAT_QUARANTINED 2U /* nat_owner: nobody's; kept until it may be given out again */
#define NAT_RESERVED 4U    /* with NAT_QUARANTINED: as long as a socket of the host has the port */

/* An internal endpoint's external one (RFC 4787 section 4.1: the same for all remotes). */
struct nat_binding
{
  __be32 address;
  __be16 port;
  __u16 flags;
  __u64 last_out;   /* when the guest last sent */
  __u32 generation; /* nat_settings.generation when policy allowed it; void once that is newer */
  __u32 sender;     /* the programs' own: a digest of the Ethernet address that it last came from */
};

/* Whose an external endpoint is. To insert it, with BPF_NOEXIST, is to claim the endpoint: it
 * comes before the binding, and goes after it. */
struct nat_owner
{
  __be32 address;
  __be16 port;
  __u16 flags;
  __u64 last_in;     /* when a remote last sent; quarantined: when it was freed */
  __u32 ifindex;     /* where the guest is; like guest_mac, as its last packets say */
  __u8 guest_mac[6]; /* all zero: not known, as it has not sent anything yet */
  __u8 zone;
  __u8 zero;
};

/* One remote of an external endpoint. TCP has one for each connection, and with NAT_ASK_REMOTES so
 * has all else. With address-dependent filtering there is one with remote_port 0 for each address
 * that the guest has sent to. */
struct nat_session_key
{
  __be32 address;
  __be32 remote_address;
  __be16 port;
  __be16 remote_port;
  __u8 protocol;
  __u8 zero[3];
};

/* RFC 6146 section 3.5.2, with RFC 7857's split of the closing states. */
enum nat_tcp_state
{
  NAT_TCP_NONE,
  NAT_TCP_SYN_OUT,
  NAT_TCP_SYN_IN,
  NAT_TCP_ESTABLISHED,
  NAT_TCP_FIN_OUT,
  NAT_TCP_FIN_IN,
  NAT_TCP_FIN_BOTH,
  NAT_TCP_RESET,       /* a RST was seen; state is kept for four minutes (RFC 7857 section 2.2) */
  NAT_TCP_REFUSED_OUT, /* the same after NAT_TCP_SYN_OUT: it has never been established */
  NAT_TCP_REFUSED_IN,
};

/* Flags of nat_session. */
#define NAT_ALLOWED 1U /* policy lets the guest send there */
#define NAT_VISITOR 2U /* a remote has made it */
/* Both sides have ended the connection, and its place under policy's limits is another's: what goes
 * on all the same has to be asked about. No packet prolongs it. */
#define NAT_RELEASED 4U
#define NAT_RESUMED 8U /* released, and its remote has sent data since */

struct nat_session
{
  __u64 last;
  __u32 state; /* nat_tcp_state; for other protocols NAT_TCP_NONE */
  __u32 flags;
};

/* So many sessions have remotes made, and so many of them have ended. The programs write the one,
 * user space, which ends sessions, the other: so neither needs a lock. Both go around. */
#define NAT_VISITORS_COME 0U
#define NAT_VISITORS_GONE 1U

/* What nat_settings.recent_ticks counts: 1.07 s each. */
#define NAT_RECENT_TICK_BITS 30
#define NAT_RECENT_TICK_NS (1ULL << NAT_RECENT_TICK_BITS)

#define NAT_RECENT_WAYS 2

/* Ports share an entry of `ended`, so that the map stays in a processor's own cache. */
#define NAT_ENDED_SLOTS 32768
#define NAT_ENDED_SLOT(port) ((port) & (NAT_ENDED_SLOTS - 1)) /* of the port as it is in memory */

/* Flows that have just been let out; the programs' own memory, one cache line for each hash. Where
 * a protocol has no sessions, all of a binding's are one, whose remote is 0. A flow is remembered
 * for nat_settings.recent_ticks at most, and only while `ended` of its external port is what it
 * was: whoever removes a binding or a session, or gives a binding another external endpoint, adds
 * one to that afterwards, atomically (the map can be mapped into memory). */
struct nat_recent
{
  __u64 addresses[NAT_RECENT_WAYS]; /* internal, and above it the remote */
  __u64 ports[NAT_RECENT_WAYS];     /* internal, remote, generation, digest of the sender */
  __u32 ended[NAT_RECENT_WAYS];     /* lower half */
  __be32 external[NAT_RECENT_WAYS];
  __be16 external_port[NAT_RECENT_WAYS];
  __u16 noted[NAT_RECENT_WAYS]; /* in ticks; lower half */
  __u16 rules[NAT_RECENT_WAYS]; /* protocol, what is asked of it, and the zone */
  __u32 sequence;               /* odd: an entry is being written; another number: one has been */
};

/* Later fragments carry no ports: those of the first, by what all of one datagram share. An entry
 * is there once it has been decided where the first goes. The map does not age, but a datagram's
 * fragments come within NAT_FRAGMENT_NS or not at all. */
#define NAT_FRAGMENT_NS 2000000000ULL

struct nat_fragment_key
{
  __be32 source;
  __be32 destination;
  __be16 identification;
  __u8 protocol;
  __u8 inbound; /* seen at the external interface */
  __u32 zone;
};

#define NAT_FRAGMENT_ASIDE 1U /* the first is slirpstack's, or from outside the host's */
#define NAT_FRAGMENT_RENUMBERED 2U

struct nat_fragment
{
  __be16 source_port;
  __be16 destination_port;
  __be16 identification; /* with NAT_FRAGMENT_RENUMBERED: under which all of the datagram leaves */
  __u16 flags;
  __u64 seen;
};

/* NAT_HOLDS_FRAGMENTS: a copy of a fragment that came before the first of its datagram; its frame
 * follows. Without one: the first of `key` has come. Whoever holds the frame writes it into the tap
 * whose nat_interface.zone is NAT_HOLDER, with a nat_return for its destination. */
#define NAT_SHARES 512U

struct nat_early
{
  struct nat_fragment_key key;
  __u64 time;
  __u32 ifindex; /* where it came in */
  __u32 share;   /* 0 to NAT_SHARES - 1: of whose part of what may be held it takes */
  __u32 length_bytes;
  __be16 vlan_protocol; /* 0: no tag that is not in the frame */
  __u16 vlan_tag;
};

/* Where a frame that comes back had come in. */
struct nat_return
{
  __u8 prefix; /* NAT_RETURN_PREFIX, so that it is a unicast address */
  __u8 inbound;
  __u8 ifindex[4]; /* network byte order */
};

#define NAT_RETURN_PREFIX 2

/* RFC 6888 REQ-4, where there is a quota: how many bindings an internal address has opened. How
 * many of them have ended is in `released`, which user space alone writes; so neither counter needs
 * a lock. An address without a binding has no entry for long. */
struct nat_subscriber_key
{
  __be32 address;
  __u32 zone;
};

struct nat_subscriber
{
  __u32 opened;
  __u32 refused;
};

struct nat_route_key
{
  __u32 prefix_length; /* bits */
  __be32 address;
};

/* Values of `exempt`. With the second one it is not known whose the destination is, as the host has
 * more routes than there is room for: it is left to slirpstack, and where that serves nobody such
 * packets are dropped, since the host might send them to the world as they are. */
#define NAT_EXEMPT 1U
#define NAT_EXEMPT_UNKNOWN 2U

#define NAT_ROUTE_UNRESOLVED 1U /* the neighbour's Ethernet address is not known yet */
/* The address is the host's own, or a gateway's: no open mapping of a larger prefix takes it. */
#define NAT_ROUTE_TAKEN 2U

/* The way to a destination: an entry for each neighbour (/32) and each route. */
struct nat_route
{
  __u32 ifindex;
  __u32 flags;
  __u32 mtu;
  __u8 destination_mac[6];
  __u8 source_mac[6];
};

/* IPv6. A destination that is not the accelerator's (it lies behind another interface, or is the
 * host's own) has an entry with ifindex 0. */
struct nat_route6_key
{
  __u32 prefix_length; /* bits */
  __u8 address[16];
};

/* RFC 6296. A packet of the inside looks its source up with the zone that it is from, and gets the
 * external prefix; a packet from outside its destination with NAT_PREFIX_EXTERNAL. */
#define NAT_PREFIX_EXTERNAL 256U

struct nat_prefix_key
{
  __u32 prefix_length; /* bits, the 32 of `side` included */
  __u32 side;          /* nat_interface.zone of the internal prefix, or NAT_PREFIX_EXTERNAL */
  __u8 address[16];
};

#define NAT_PREFIX_NEUTRAL                                                                         \
  1U /* RFC 6296: checksum-neutral; else: transport checksums are fixed                            \
      */
/* Only flows in `mapped` pass: slirpstack is asked about each new one. An external prefix of this
 * kind says that there may be some, and nothing else. Without the flag the mapping is stateless,
 * and open in both directions: outbound `routes6` gives the way, and what has none, or is not the
 * accelerator's, is slirpstack's; from where slirpstack would be asked nobody comes in. */
#define NAT_PREFIX_ASKED 2U

struct nat_prefix
{
  __u8 prefix[16]; /* host bits zero */
  __u32 length;    /* of `prefix`, bits: 0 to 128; with NAT_PREFIX_NEUTRAL at most 112 */
  __u32 flags;
  __be16 adjustment; /* one's complement: sum of the old prefix - sum of the new one */
  /* Of open mappings alone: where the guest is, but for `stations`. */
  __u8 guest_mac[6];
  __u32 ifindex; /* from here on of external prefixes alone */
  __u32 mtu;     /* of the way to the guest */
  __u32 zone;    /* nat_interface.zone of the guest */
};

/* Where an internal address of an open mapping is, if it has last sent from another Ethernet
 * address than nat_prefix.guest_mac. */
struct nat_station_key
{
  __u32 zone;
  __u8 address[16];
};

struct nat_station
{
  __u8 mac[6];
  __u8 zero[2];
};

/* A flow between a mapped address and a remote. Of an ICMPv6 echo the port is the identifier, and
 * the remote's port 0. */
struct nat_mapped_key
{
  __u8 external[16]; /* the mapped address, as the remote sees it */
  __u8 remote[16];
  __be16 port;
  __be16 remote_port;
  __u8 protocol;
  __u8 zero[3];
};

/* A predecessor's policy has allowed the flow: slirpstack is asked about what the guest sends next.
 * What comes in passes. */
#define NAT_MAPPED_FORMER 1U

/* Made by slirpstack when policy allows the flow, and taken away when it does no longer. */
struct nat_mapped
{
  __u64 last;        /* when a packet of it was seen */
  __u32 state;       /* nat_tcp_state; for other protocols NAT_TCP_NONE */
  __u32 ifindex;     /* where the guest is */
  __u8 internal[16]; /* the guest's own address */
  __u8 guest_mac[6];
  __u8 zone;
  __u8 flags;
};

/* Later fragments go where the first has gone. */
struct nat_mapped_piece_key
{
  __u8 source[16];
  __u8 destination[16];
  __be32 identification;
  __u32 side; /* where it is from: as nat_prefix_key.side */
};

struct nat_mapped_piece
{
  __u64 seen;
  struct nat_mapped_key flow;
};

struct nat_interface
{
  __u32 partner; /* of a guest's end: slirpstack's tap; of a tap: the guest's end; 0: none */
  __u32 zone;    /* 0 to 255; guests whose addresses overlap have different ones */
};

#define NAT_HOLDER 256U /* zone of the tap by which held fragments come back; it has no partner */

/* How inbound packets of a protocol are filtered (RFC 4787 section 5). */
enum nat_filter
{
  NAT_FILTER_ENDPOINT, /* anyone */
  NAT_FILTER_ADDRESS,  /* any port of an address that the guest has sent to */
  NAT_FILTER_PORT,     /* only an endpoint that the guest has sent to */
};

#define NAT_ALLOCATE 1U /* the kernel makes bindings itself; else slirpstack does */
#define NAT_POOL_IS_LOCAL                                                                          \
  2U                 /* the external addresses are the host's own: its services lie there          \
                      */
#define NAT_ZONES 4U /* look up the zone of each packet */
#define NAT_INBOUND_REFRESH 8U /* what comes in keeps a binding alive too (RFC 4787 REQ-6) */
#define NAT_EXEMPTIONS 16U     /* `exempt` is not empty */
#define NAT_REDIRECT_PEER 32U  /* TC: the guests are behind veth pairs */
/* A binding lets out what slirpstack has made a session for (NAT_ALLOWED), and nothing else: each
 * remote of an endpoint, for TCP each connection, is one that it was asked about. A session that a
 * remote has made only lets in, but for a forward's. Sessions then have the remote's port for UDP
 * too, whatever the filter (for ICMP it is 0). */
#define NAT_ASK_REMOTES 64U
/* TC: the programs are filters, which outlive a slirpstack that was killed. When the time in
 * `heartbeat` (CLOCK_MONOTONIC, ns) is over they let nothing of a guest out and nothing in. */
#define NAT_HEARTBEAT 128U
/* Fragments that come before the first of their datagram are copied to `early`; else dropped. */
#define NAT_HOLDS_FRAGMENTS 256U

/* What may be cut on its way leaves under an identification of the NAT's (RFC 6864 section 5.3.1).
 */
#define NAT_RENUMBER 512U

/* Addresses here are in the machine's byte order, for arithmetic. */
struct nat_range
{
  __u32 first;
  __u32 count;
};

struct nat_settings
{
  __u32 flags;
  __u32 generation;
  __u32 external_ranges;
  __u32 internal_ranges;
  struct nat_range external[NAT_MAX_RANGES];
  struct nat_range internal[NAT_MAX_RANGES];
  __u32 external_addresses; /* sum of the counts */
  __u32 gateway;            /* the router's own address inside: source of its ICMP errors */
  __u16 port_first;
  __u16 port_last;
  __u16 block_ports; /* RFC 7422: ports of each internal address; 0: all ports are everybody's */
  __u16 filter_tcp;  /* nat_filter */
  __u16 filter_udp;
  __u16 filter_icmp;
  __u32 quota; /* bindings of one internal address; 0: no limit */
  __u8 gateway_mac[6];
  __u8 zero[2];
  __u32 max_visitors; /* sessions that remotes may have made at a time; 0: any number */
  __u32 recent_sets;  /* of the entries of `recent`; a power of two, or 0: nothing is remembered */
  __u32 recent_ticks; /* times in nat_binding and nat_session may be so much older than the last
                         packet */
  __u32 secret;       /* random: of hashes that guests shall not foresee */
};

/* What became of packets. The first three are those translated. */
enum nat_statistic
{
  NAT_OUT,
  NAT_IN,
  NAT_HAIRPIN,
  NAT_PREFIX_OUT,
  NAT_PREFIX_IN,
  NAT_ICMP_ERROR_OUT,
  NAT_ICMP_ERROR_IN,
  NAT_TO_SLIRPSTACK, /* handed to the user-mode stack */
  NAT_TO_HOST,       /* left to the host's stack */
  NAT_HELD,          /* held until the first fragment of the datagram comes */
  NAT_ANSWERED,      /* answered with an ICMP error */
  NAT_ALLOCATED,     /* bindings made here */
  NAT_RACE_LOST,     /* another processor bound the endpoint first */
  NAT_DROP_MALFORMED,
  NAT_DROP_CHECKSUM,
  NAT_DROP_NO_BINDING,
  NAT_DROP_NO_SESSION, /* TCP that did not start with a SYN */
  NAT_DROP_FILTERED,
  NAT_DROP_EXHAUSTED,
  NAT_DROP_QUOTA,
  NAT_DROP_FRAGMENT, /* came before the first of its datagram, and that did not follow */
  NAT_DROP_HOP_LIMIT,
  NAT_DROP_NO_ROUTE,
  NAT_DROP_TOO_BIG,
  NAT_DROP_PROTOCOL,     /* neither TCP, UDP nor ICMP */
  NAT_DROP_PREFIX,       /* RFC 6296: an address that cannot be mapped */
  NAT_DROP_SOURCE_ROUTE, /* by an IPv4 option, past the destination that policy knows */
  NAT_DROP_VISITORS,     /* remotes have made as many sessions as they may */
  NAT_STATISTICS,        /* how many there are */
};

struct nat_count
{
  __u64 packets;
  __u64 bytes;
};

enum nat_event_kind
{
  NAT_EVENT_BOUND,
  NAT_EVENT_EXHAUSTED, /* no port or no room left for `internal` */
  NAT_EVENT_QUOTA,
  NAT_EVENT_UNRESOLVED,  /* `external.address` needs its neighbour's Ethernet address */
  NAT_EVENT_UNRESOLVED6, /* so does `address` */
  NAT_EVENT_UNPLACED,    /* `internal`, which has a forward, is nobody knows where */
};

struct nat_event
{
  __u64 time;
  __u32 kind;
  __u32 zero;
  struct nat_endpoint internal;
  struct nat_endpoint external;
  __u8 address[16];
};

#endif
