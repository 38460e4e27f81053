#pragma once

#include <cstddef>

namespace slirpstack {

/// Whether somebody who has `own` of the `taken` out of `capacity` may have one more, where several
/// share: as many as are left over. One alone who takes all that it can get leaves half of them,
/// two a third. (Choudhury and Hahne's dynamic threshold for buffers, with a factor of one.)
[[nodiscard]] constexpr bool may_have_one_more(std::size_t own,
                                               std::size_t taken,
                                               std::size_t capacity)
{
  return taken < capacity && own < capacity - taken;
}

} // namespace slirpstack
