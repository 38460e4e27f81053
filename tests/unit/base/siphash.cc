#include "base/siphash.hh"

#include <doctest/doctest.h>
#include <numeric>

using namespace slirpstack;

TEST_CASE("siphash depends on every byte, on the length and on the secret")
{
  const HashSecret secret{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::array<std::uint8_t, 37> bytes{};
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
  const std::uint64_t hash = siphash(secret, bytes);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    CAPTURE(i);
    bytes[i] ^= 1U;
    CHECK(siphash(secret, bytes) != hash);
    bytes[i] ^= 1U;
    CHECK(siphash(secret, ByteView(bytes).first(i)) != hash);
  }
  CHECK(siphash(HashSecret{secret.low ^ 1U, secret.high}, bytes) != hash);
}
