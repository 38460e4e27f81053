#include "wire/dns_stream.hh"

#include <array>
#include <doctest/doctest.h>
#include <vector>

namespace slirpstack {

namespace {

/// Three messages: of 3 bytes, of none, of 1.
std::vector<std::uint8_t> stream()
{
  return {0, 3, 'a', 'b', 'c', 0, 0, 0, 1, 'd'};
}

iovec piece_of(std::vector<std::uint8_t>& bytes, std::size_t begin, std::size_t end)
{
  return {bytes.data() + begin, end - begin};
}

} // namespace

TEST_CASE("a DNS stream goes on up to where one message too many begins")
{
  auto bytes = stream();
  const std::array<iovec, 1> all{piece_of(bytes, 0, bytes.size())};
  const std::array<std::size_t, 5> expected{0, 5, 7, 10, 10};
  for (std::size_t messages = 0; messages < expected.size(); ++messages) {
    CAPTURE(messages);
    CHECK(DnsStream().prefix(all, messages) == expected[messages]);
  }
}

TEST_CASE("the messages of a DNS stream are counted wherever it is cut")
{
  auto bytes = stream();
  for (std::size_t first = 0; first <= bytes.size(); ++first) {
    for (std::size_t second = first; second <= bytes.size(); ++second) {
      CAPTURE(first);
      CAPTURE(second);
      DnsStream passed;
      const std::array<iovec, 2> pieces{piece_of(bytes, 0, first), piece_of(bytes, first, second)};
      const std::array<iovec, 1> rest{piece_of(bytes, second, bytes.size())};
      CHECK(passed.prefix(pieces, 3) == second);
      const std::uint64_t before = passed.pass(pieces, second);
      CHECK(before + passed.pass(rest, bytes.size() - second) == 3);
    }
  }
}

TEST_CASE("a DNS stream is counted by what has gone on, not by what was offered")
{
  auto bytes = stream();
  const std::array<iovec, 1> all{piece_of(bytes, 0, bytes.size())};
  DnsStream passed;
  CHECK(passed.pass(all, 1) == 1);
  const std::array<iovec, 1> rest{piece_of(bytes, 1, bytes.size())};
  CHECK(passed.prefix(rest, 0) == 4); // the rest of the message that has begun
  CHECK(passed.pass(rest, 4) == 0);
}

} // namespace slirpstack
