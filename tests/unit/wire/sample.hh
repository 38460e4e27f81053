#pragma once

#include "base/bytes.hh"
#include "wire/address.hh"

#include <doctest/doctest.h>
#include <random>
#include <string>
#include <string_view>
#include <vector>

// What the tests of this folder share: bytes from hex, addresses from text, seeded randomness.
namespace sample {

using Bytes = std::vector<std::uint8_t>;

inline Bytes hex(std::string_view text)
{
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    bytes.push_back(static_cast<std::uint8_t>(digit(text[i]) << 4 | digit(text[i + 1])));
  }
  return bytes;
}

inline Bytes copy(slirpstack::ByteView bytes)
{
  return {bytes.begin(), bytes.end()};
}

inline slirpstack::IpAddress address(std::string_view text)
{
  return slirpstack::IpAddress::parse(text).value();
}

/// The same sequence on every run.
class Random
{
public:
  template<typename Integer>
  Integer next()
  {
    return static_cast<Integer>(engine_());
  }
  std::size_t below(std::size_t bound) { return engine_() % bound; }
  bool coin() { return below(2) == 1; }
  Bytes bytes(std::size_t length_bytes)
  {
    Bytes made(length_bytes);
    for (std::uint8_t& byte : made) {
      byte = next<std::uint8_t>();
    }
    return made;
  }
  slirpstack::IpAddress address(slirpstack::Family family)
  {
    return slirpstack::IpAddress(bytes(family == slirpstack::Family::ipv4 ? 4 : 16));
  }

private:
  std::mt19937_64 engine_{20240229}; // NOLINT(cert-msc51-cpp): the seed is fixed on purpose
};

/// Writes a value with its own `write` and gives the bytes.
template<typename Value, typename... Arguments>
Bytes written(const Value& value, const Arguments&... arguments)
{
  Bytes buffer(70000);
  slirpstack::Writer writer(buffer);
  const std::size_t length_bytes = value.write(writer, arguments...);
  CHECK_FALSE(writer.failed());
  CHECK(length_bytes == writer.written());
  buffer.resize(length_bytes);
  return buffer;
}

/// Calls `check(prefix)` for every proper prefix. Each is a copy of its own, so that a sanitizer
/// sees a read behind its end.
template<typename Check>
void every_truncation(const Bytes& bytes, Check check)
{
  for (std::size_t length_bytes = 0; length_bytes < bytes.size(); ++length_bytes) {
    CAPTURE(length_bytes);
    const Bytes prefix(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length_bytes));
    check(prefix);
  }
}

} // namespace sample
