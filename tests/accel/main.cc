#define DOCTEST_CONFIG_IMPLEMENT
#include "accel/nat_object.hh"

#include <cstdio>
#include <doctest/doctest.h>

int main(int argc, char** argv)
{
  const std::string reason = slirpstack::why_nat_is_unavailable();
  if (!reason.empty()) {
    std::printf("skipped: %s\n", reason.c_str());
    return 77;
  }
  return doctest::Context(argc, argv).run();
}
