// Runs a fuzz target over every file of the directories named on the command line.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::size_t replay(const std::filesystem::path& directory)
{
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) {
      continue;
    }
    std::ifstream file(entry.path(), std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    const std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
    std::printf("%s\n", entry.path().c_str());
    std::fflush(stdout); // the last name printed is the one that crashed
    LLVMFuzzerTestOneInput(input.data(), input.size());
    ++count;
  }
  return count;
}

} // namespace

int main(int argc, char** argv)
try {
  for (int i = 1; i < argc; ++i) {
    if (replay(argv[i]) == 0) {
      std::fprintf(stderr, "%s: no corpus\n", argv[i]);
      return 1;
    }
  }
  return argc > 1 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
