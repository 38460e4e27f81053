#define DOCTEST_CONFIG_IMPLEMENT
// Its handlers would live on in the children that the tests fork.
#define DOCTEST_CONFIG_NO_POSIX_SIGNALS
#include "sandbox.hh"

#include <doctest/doctest.h>

int main(int argc, char** argv)
{
  slirpstack::testing::prepare_machine();
  return doctest::Context(argc, argv).run();
}
