#define DOCTEST_CONFIG_IMPLEMENT
#include "test_namespace.hh"

#include <cstdio>
#include <doctest/doctest.h>

int main(int argc, char** argv)
{
  if (!slirpstack::test::enter_test_namespace()) {
    std::puts("skipped: may not make a network namespace, or there is no `ip`");
    return 77;
  }
  return doctest::Context(argc, argv).run();
}
