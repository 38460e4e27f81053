#pragma once

#include <string>
#include <string_view>

namespace slirpstack {

/// A line of a rules file, read from left to right. Whatever is wrong with it is thrown as a
/// RuleError that points there.
class RuleLine
{
public:
  /// The longest, in bytes.
  static constexpr std::size_t MAX_BYTES = 4096;

  /// `text` is without its end of line; `number` counts from 1.
  RuleLine(std::string_view text, unsigned number);

  /// The next word, which lies in the line; an empty one, at its place, behind the last. A comment
  /// ends the line. Only printable ASCII is let through, in comments too: what a reader sees must
  /// be what is meant, and text that runs from right to left is not.
  std::string_view next_word();
  /// `"TEXT"`, without its quotes: UTF-8 without control characters.
  std::string_view next_note();

  /// What has been read, from the first word to the end of the last.
  [[nodiscard]] std::string_view read() const;

  /// Throws; `at` lies in the line.
  [[noreturn]] void fail(std::string_view at, const std::string& reason) const;
  [[nodiscard]] unsigned number() const { return number_; }

private:
  void skip_blanks();
  void check_printable(std::string_view part) const;
  void check_note(std::string_view note) const;
  std::string_view take(std::size_t length_bytes);

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t begin_ = 0; ///< of the first word
  std::size_t end_ = 0;   ///< of the last
  unsigned number_;
};

} // namespace slirpstack
