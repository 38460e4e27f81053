#include "flow/rule_line.hh"

#include "base/utf8.hh"
#include "flow/rule.hh"

#include <algorithm>
#include <fmt/format.h>

namespace slirpstack {

namespace {

bool is_blank(char character)
{
  return character == ' ' || character == '\t';
}

bool ends_word(char character)
{
  return is_blank(character) || character == '#';
}

bool is_printable_ascii(char character)
{
  return (character >= ' ' && character <= '~') || is_blank(character);
}

/// Also what some programs take for the end of a line.
bool is_control(char32_t character)
{
  return character < 0x20 || (character >= 0x7f && character < 0xa0) || character == 0x2028
         || character == 0x2029;
}

bool begins_character(char byte)
{
  return (static_cast<unsigned char>(byte) & 0xc0U) != 0x80;
}

} // namespace

RuleLine::RuleLine(std::string_view text, unsigned number) : text_(text), number_(number)
{
  if (text.size() > MAX_BYTES) {
    throw RuleError(
      number, MAX_BYTES + 1, fmt::format("the line is longer than {} characters", MAX_BYTES));
  }
  skip_blanks();
  begin_ = end_ = at_;
}

void RuleLine::skip_blanks()
{
  while (at_ < text_.size() && is_blank(text_[at_])) {
    ++at_;
  }
}

std::string_view RuleLine::take(std::size_t length_bytes)
{
  const std::string_view taken = text_.substr(at_, length_bytes);
  at_ += taken.size();
  end_ = at_;
  return taken;
}

std::string_view RuleLine::next_word()
{
  skip_blanks();
  const std::string_view rest = text_.substr(at_);
  const auto length_bytes
    = static_cast<std::size_t>(std::ranges::find_if(rest, ends_word) - rest.begin());
  if (length_bytes == 0) {
    check_printable(rest); // a comment, or nothing
    return rest.substr(0, 0);
  }
  check_printable(rest.substr(0, length_bytes));
  return take(length_bytes);
}

std::string_view RuleLine::next_note()
{
  skip_blanks();
  const std::string_view rest = text_.substr(at_);
  if (!rest.starts_with('"')) {
    fail(rest, "a note stands in double quotes: note \"TEXT\"");
  }
  const std::size_t close = rest.find('"', 1);
  if (close == std::string_view::npos) {
    fail(rest, "the note has no closing quote");
  }
  const std::string_view note = rest.substr(1, close - 1);
  check_note(note);
  take(close + 1);
  if (at_ < text_.size() && !ends_word(text_[at_])) {
    fail(text_.substr(at_), "a blank has to follow the note");
  }
  return note;
}

void RuleLine::check_printable(std::string_view part) const
{
  const auto odd = std::ranges::find_if_not(part, is_printable_ascii);
  if (odd != part.end()) {
    const std::string_view at = part.substr(static_cast<std::size_t>(odd - part.begin()));
    fail(at,
         fmt::format("byte 0x{:02x}: only printable ASCII may stand outside of notes",
                     static_cast<unsigned char>(at.front())));
  }
}

void RuleLine::check_note(std::string_view note) const
{
  while (!note.empty()) {
    const std::string_view at = note;
    const auto character = take_utf8(note);
    if (!character) {
      fail(at, "the note is no UTF-8");
    }
    if (is_control(*character)) {
      fail(at, "the note has a control character");
    }
  }
}

std::string_view RuleLine::read() const
{
  return text_.substr(begin_, end_ - begin_);
}

void RuleLine::fail(std::string_view at, const std::string& reason) const
{
  const std::string_view before
    = text_.substr(0, static_cast<std::size_t>(at.data() - text_.data()));
  const auto column = std::ranges::count_if(before, begins_character) + 1;
  throw RuleError(number_, static_cast<unsigned>(column), reason);
}

} // namespace slirpstack
