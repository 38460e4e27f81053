#include "flow/fields.hh"

namespace slirpstack {

std::optional<std::vector<std::string_view>> split_fields(std::string_view text, char separator)
{
  std::vector<std::string_view> fields;
  std::size_t begin = 0;
  std::size_t depth = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '[') {
      ++depth;
    } else if (text[at] == ']') {
      if (depth-- == 0) {
        return std::nullopt;
      }
    } else if (text[at] == separator && depth == 0) {
      fields.push_back(text.substr(begin, at - begin));
      begin = at + 1;
    }
  }
  fields.push_back(text.substr(begin));
  return depth == 0 ? std::optional(std::move(fields)) : std::nullopt;
}

std::string_view strip_brackets(std::string_view field)
{
  const bool is_bracketed = field.size() >= 2 && field.front() == '[' && field.back() == ']';
  return is_bracketed ? field.substr(1, field.size() - 2) : field;
}

} // namespace slirpstack
