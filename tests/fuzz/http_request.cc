// An HTTP request in pieces is the same as in one.

#include "control/http_request.hh"

#include "require.hh"

using namespace slirpstack;

// NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  HttpRequest whole;
  const auto state = whole.feed({data, size});
  HttpRequest pieces;
  auto last = HttpRequest::State::incomplete;
  for (std::size_t i = 0; i < size && last == HttpRequest::State::incomplete; ++i) {
    last = pieces.feed({data + i, 1});
  }
  if (state == HttpRequest::State::complete) {
    require(last == HttpRequest::State::complete);
    require(whole.path() == pieces.path());
    require(whole.path().find('?') == std::string::npos);
  }
  return 0;
}
