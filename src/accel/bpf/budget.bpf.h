#pragma once

/* How often something may be done that costs more than a packet. */

#include "maps.bpf.h"

struct budget
{
  __u64 last;
  __u64 left;
};

/* `burst` at once, and one more each `ns_each`. Processors that share a budget may both take its
 * last piece; what is left wraps around then, and counts as nothing. */
static __always_inline int spend(struct budget* budget, __u64 burst, __u64 ns_each)
{
  __u64 now = bpf_ktime_get_coarse_ns();
  __u64 left = budget->left > burst ? 0 : budget->left;
  __u64 earned = (now - budget->last) / ns_each;
  if (earned) {
    budget->last = now;
    left = earned > burst - left ? burst : left + earned;
  }
  budget->left = left ? left - 1 : 0;
  return left != 0;
}
