#pragma once

#include <doctest/doctest.h>
#include <random>
#include <span>
#include <string>
#include <string_view>

namespace malformed {

/// Makes texts that are nearly right: pieces of `samples` repeated, left out, exchanged and
/// spoiled. The same ones on every run.
class Generator
{
public:
  explicit Generator(std::span<const std::string_view> samples) : samples_(samples) {}

  std::string next()
  {
    std::string text(sample());
    for (std::size_t edits = 1 + below(4); edits > 0; --edits) {
      edit(text);
    }
    return text;
  }

private:
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : engine_() % bound; }
  std::string_view sample() { return samples_[below(samples_.size())]; }

  void edit(std::string& text)
  {
    static constexpr std::string_view SIGNS = ":,[]%@/-.#\"= \t\n\rx09aF_\x7f\xc3\xff";
    const std::size_t at = below(text.size() + 1);
    switch (below(6)) {
      case 0:
        text.erase(at, 1 + below(4));
        break;
      case 1:
        text.insert(at, 1, SIGNS[below(SIGNS.size())]);
        break;
      case 2:
        text.insert(at, text.substr(below(text.size() + 1), below(12)));
        break;
      case 3:
        text.insert(at, std::to_string(engine_() >> below(64)));
        break;
      case 4:
        text.replace(at, below(8), sample().substr(0, below(20)));
        break;
      default:
        if (at < text.size()) {
          text[at] = static_cast<char>(engine_());
        }
    }
  }

  std::span<const std::string_view> samples_;
  std::mt19937_64 engine_{20240229}; // NOLINT(cert-msc51-cpp): the seed is fixed on purpose
};

inline bool is_one_line(std::string_view text)
{
  return !text.empty() && text.find_first_of("\n\r") == std::string_view::npos;
}

} // namespace malformed
