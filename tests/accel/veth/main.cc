#define DOCTEST_CONFIG_IMPLEMENT
#include "network.hh"

#include <cstdio>
#include <doctest/doctest.h>
#include <system_error>

int main(int argc, char** argv)
{
  try {
    slirpstack::test::enter_private_namespaces();
  } catch (const std::system_error& error) {
    std::printf("skipped: cannot %s\n", error.what());
    return 77;
  }
  const std::string reason = slirpstack::why_nat_is_unavailable();
  if (!reason.empty()) {
    std::printf("skipped: %s\n", reason.c_str());
    return 77;
  }
  return doctest::Context(argc, argv).run();
}
