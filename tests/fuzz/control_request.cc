// A line of the control protocol, and the words of `ctl`: a request that comes back as it went, or
// a complaint.

#include "control/answer_text.hh"
#include "control/request.hh"
#include "require.hh"

#include <string>
#include <vector>

using namespace slirpstack;

namespace {

std::vector<std::string> words_in(std::string_view bytes)
{
  std::vector<std::string> words;
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find(' '), bytes.size());
    words.emplace_back(bytes.substr(0, end));
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
  }
  return words;
}

void check(const Request& request, std::string_view bytes)
{
  const std::string line = serialize(request);
  require(line.find('\n') == std::string::npos);
  // What is no UTF-8 is replaced on the way.
  require(parse_request(line).index() == request.index());
  static_cast<void>(answer_text(request, bytes));
}

} // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const std::string bytes(data, data + size);
  try {
    check(parse_request(bytes), bytes);
  } catch (const RequestError& error) {
    require(!std::string_view(error.what()).empty());
  }
  try {
    check(parse_request_words(words_in(bytes)), bytes);
  } catch (const RequestError& error) {
    require(!std::string_view(error.what()).empty());
  }
  return 0;
}
