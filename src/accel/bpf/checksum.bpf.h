#pragma once

/* Internet checksums, changed without being computed anew (RFC 1624). A `difference` is a one's
 * complement sum that has not been folded; it takes the sum of some 60000 words. */

#include <linux/types.h>

static __always_inline __u16 fold(__u32 sum)
{
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

static __always_inline __u32 difference16(__u16 from, __u16 to)
{
  return (__u32)(__u16)~from + to;
}

static __always_inline __u32 difference32(__u32 from, __u32 to)
{
  return difference16(from & 0xffff, to & 0xffff) + difference16(from >> 16, to >> 16);
}

/* RFC 1624, equation 3: HC' = ~(~HC + ~m + m'). */
static __always_inline __u16 adjusted(__u16 checksum, __u32 difference)
{
  return ~fold((__u16)~checksum + difference);
}

/* RFC 768: 0 says that there is no checksum, so one that comes out as 0 is sent as 0xffff. */
static __always_inline __u16 adjusted_udp(__u16 checksum, __u32 difference)
{
  if (checksum == 0) {
    return 0;
  }
  __u16 result = adjusted(checksum, difference);
  return result ? result : 0xffff;
}
