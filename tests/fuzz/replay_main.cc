// Gives each file of the directories in argv to the fuzz target, as libFuzzer would.

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <vector>

// NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::uint8_t> contents(const std::filesystem::path& path)
{
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

} // namespace

int main(int argc, char** argv)
{
  std::size_t replayed = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      const std::vector<std::uint8_t> input = contents(entry.path());
      LLVMFuzzerTestOneInput(input.data(), input.size());
      ++replayed;
    }
  }
  fmt::print("{} inputs\n", replayed);
  return replayed > 0 ? EXIT_SUCCESS : EXIT_FAILURE; // an empty corpus tests nothing
}
