// Gives each file of the directories in argv to the fuzz target, as libFuzzer would; with
// --mutate=N, N inputs more that are made of those: always the same ones.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <random>
#include <string_view>
#include <vector>

// NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;

constexpr std::string_view MUTATE = "--mutate=";
constexpr std::size_t MAX_INPUT_BYTES = 4096;
constexpr unsigned MAX_CHANGES = 6;

Input contents(const std::filesystem::path& path)
{
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Inputs made of others: bytes changed, parts taken out, said twice or taken from another.
class Mutator
{
public:
  explicit Mutator(const std::vector<Input>& corpus) : corpus_(corpus) {}

  Input next()
  {
    Input input = corpus_[below(corpus_.size())];
    for (std::size_t changes = 1 + below(MAX_CHANGES); changes > 0; --changes) {
      change(input);
    }
    input.resize(std::min(input.size(), MAX_INPUT_BYTES));
    return input;
  }

private:
  struct Part
  {
    std::ptrdiff_t begin;
    std::ptrdiff_t end;
  };

  std::size_t below(std::size_t bound)
  {
    return bound == 0 ? 0 : std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
  }

  Part part_of(const Input& input)
  {
    const std::size_t begin = below(input.size() + 1);
    const std::size_t length = below(std::min<std::size_t>(input.size() - begin, 16) + 1);
    return {static_cast<std::ptrdiff_t>(begin), static_cast<std::ptrdiff_t>(begin + length)};
  }

  void change(Input& input)
  {
    const auto place = static_cast<std::ptrdiff_t>(below(input.size() + 1));
    const Part part = part_of(input);
    switch (below(5)) {
      case 0: // another byte
        if (!input.empty()) {
          input[below(input.size())] = static_cast<std::uint8_t>(below(256));
        }
        break;
      case 1: // one bit
        if (!input.empty()) {
          input[below(input.size())] ^= static_cast<std::uint8_t>(1U << below(8));
        }
        break;
      case 2:
        input.erase(input.begin() + part.begin, input.begin() + part.end);
        break;
      case 3: {
        const Input twice(input.begin() + part.begin, input.begin() + part.end);
        input.insert(input.begin() + place, twice.begin(), twice.end());
        break;
      }
      default: {
        const Input& other = corpus_[below(corpus_.size())];
        const Part theirs = part_of(other);
        input.insert(
          input.begin() + place, other.begin() + theirs.begin, other.begin() + theirs.end);
      }
    }
  }

  const std::vector<Input>& corpus_;
  std::mt19937_64 random_; // NOLINT: its seed is always the same one, on purpose
};

} // namespace

int main(int argc, char** argv)
{
  std::vector<std::filesystem::path> paths;
  unsigned long mutations = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with(MUTATE)) {
      mutations = std::strtoul(argv[i] + MUTATE.size(), nullptr, 10);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      paths.push_back(entry.path());
    }
  }
  if (paths.empty()) {
    return EXIT_FAILURE; // it tests nothing
  }
  std::ranges::sort(paths); // a directory has no order
  std::vector<Input> corpus;
  for (const std::filesystem::path& path : paths) {
    corpus.push_back(contents(path));
    LLVMFuzzerTestOneInput(corpus.back().data(), corpus.back().size());
  }
  Mutator mutator(corpus);
  for (unsigned long i = 0; i < mutations; ++i) {
    const Input input = mutator.next();
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  fmt::print("{} inputs and {} made of them\n", corpus.size(), mutations);
  return EXIT_SUCCESS;
}
