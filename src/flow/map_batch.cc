// The text of map edits.

#include "base/line.hh"
#include "base/quoted.hh"
#include "flow/map_edit.hh"
#include "flow/rule.hh"
#include "flow/rule_line.hh"

#include <fmt/format.h>
#include <optional>

namespace slirpstack {

namespace {

constexpr std::string_view ALL = "--all";

/// Reads one line of a batch into an edit.
class MapLine
{
public:
  MapLine(std::string_view text, unsigned number) : text_(text), line_(text, number)
  {
    edit_.line = number;
  }

  /// Nothing for a line that is empty.
  std::optional<MapEdit> read()
  {
    const std::string_view verb = line_.next_word();
    if (verb.empty()) {
      return std::nullopt;
    }
    if (verb == "add") {
      read_add();
    } else if (verb == "del") {
      read_remove();
    } else if (verb == "drop") {
      read_drop();
    } else {
      line_.fail(verb, fmt::format("{}: must be add, del or drop", quoted(verb)));
    }
    read_end();
    return std::move(edit_);
  }
  MapEdit read_addition()
  {
    read_add();
    read_end();
    return std::move(edit_);
  }

private:
  template<typename Parse>
  [[nodiscard]] auto checked(std::string_view word, Parse parse) const
  {
    try {
      return parse();
    } catch (const MappingError& error) {
      line_.fail(word, error.what());
    }
  }

  void read_add()
  {
    edit_.kind = MapEdit::Kind::add;
    read_interface("add INTERFACE INTERNAL/LENGTH EXTERNAL/LENGTH [neutral] [open]");
    edit_.mapping.internal = read_prefix(MappingPart::internal);
    edit_.mapping.external = read_prefix(MappingPart::external);
    std::string_view word = next(MappingPart::openness);
    edit_.mapping.neutral = word == "neutral";
    if (edit_.mapping.neutral) {
      word = next(MappingPart::openness);
    }
    edit_.mapping.open = word == "open";
    if (!word.empty() && !edit_.mapping.open) {
      line_.fail(
        word,
        fmt::format("{}: only \"neutral\", then \"open\" may follow the prefixes", quoted(word)));
    }
  }
  void read_remove()
  {
    edit_.kind = MapEdit::Kind::remove;
    read_interface("del INTERFACE INTERNAL/LENGTH");
    edit_.mapping.internal = read_prefix(MappingPart::internal);
  }
  void read_drop()
  {
    edit_.kind = MapEdit::Kind::drop;
    read_interface("drop INTERFACE, or drop --all");
  }

  void read_interface(std::string_view usage)
  {
    const std::string_view word = next(MappingPart::interface);
    if (word.empty()) {
      line_.fail(word, fmt::format("an interface is missing: {}", usage));
    }
    if (edit_.kind != MapEdit::Kind::drop || word != ALL) {
      edit_.mapping.interface = checked(word, [&] { return parse_mapping_interface(word); });
    }
  }
  Prefix read_prefix(MappingPart part)
  {
    const std::string_view word = next(part);
    return checked(word, [&] { return parse_mapping_prefix(word, part); });
  }
  void read_end()
  {
    if (const std::string_view word = line_.next_word(); !word.empty()) {
      line_.fail(word, fmt::format("{}: nothing may follow here", quoted(word)));
    }
  }

  std::string_view next(MappingPart part)
  {
    const std::string_view word = line_.next_word();
    edit_.columns[static_cast<std::size_t>(part)]
      = static_cast<unsigned>(word.data() - text_.data()) + 1;
    return word;
  }
  std::string_view text_;
  RuleLine line_;
  MapEdit edit_;
};

} // namespace

std::vector<MapEdit> parse_map_batch(std::string_view text)
{
  std::vector<MapEdit> edits;
  try {
    for (unsigned number = 1; !text.empty(); ++number) {
      if (auto edit = MapLine(take_line(text), number).read()) {
        edits.push_back(std::move(*edit));
      }
    }
  } catch (const RuleError& error) {
    throw MappingError(std::errc::invalid_argument, MappingPart::interface, error.what());
  }
  return edits;
}

MapEdit parse_map_add(std::string_view text)
{
  try {
    MapEdit edit = MapLine(text, 1).read_addition();
    edit.line = 0;
    return edit;
  } catch (const RuleError& error) {
    throw MappingError(std::errc::invalid_argument, MappingPart::interface, error.what());
  }
}

} // namespace slirpstack
