#pragma once

#include <cstdlib>

/// An assert that a release build keeps: aborts when a property of the target does not hold.
inline void require(bool holds)
{
  if (!holds) {
    std::abort();
  }
}
