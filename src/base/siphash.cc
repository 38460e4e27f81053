#include "base/siphash.hh"

#include "base/error.hh"

#include <bit>
#include <sys/random.h>

namespace slirpstack {

namespace {

struct State
{
  std::uint64_t v0, v1, v2, v3;

  void round()
  {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void absorb(std::uint64_t word)
  {
    v3 ^= word;
    round();
    v0 ^= word;
  }
};

std::uint64_t little_endian(ByteView bytes)
{
  std::uint64_t word = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    word = (word << 8U) | bytes[i];
  }
  return word;
}

} // namespace

HashSecret HashSecret::random()
{
  HashSecret secret;
  system_call("read random bytes", ::getrandom(&secret, sizeof secret, 0));
  return secret;
}

std::uint64_t siphash(const HashSecret& secret, ByteView bytes)
{
  State state{secret.low ^ 0x736f6d6570736575U,
              secret.high ^ 0x646f72616e646f6dU,
              secret.low ^ 0x6c7967656e657261U,
              secret.high ^ 0x7465646279746573U};
  const std::uint64_t length = bytes.size();
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof word);
    if constexpr (std::endian::native == std::endian::big) {
      word = __builtin_bswap64(word);
    }
    state.absorb(word);
  }
  state.absorb(length << 56U | little_endian(bytes));
  state.v2 ^= 0xff;
  for (int i = 0; i < 3; ++i) {
    state.round();
  }
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

} // namespace slirpstack
