// What is used of fmt, compiled into the program from fmt's own headers (FMT_HEADER_ONLY, for this
// file alone: it takes seconds), so that libfmt need not be loaded. Whatever another version of fmt
// has under other names comes from its library as before.

#define FMT_HEADER_ONLY
#include <fmt/format.h>

namespace slirpstack {

namespace {

/// Inline functions are compiled where somebody wants their addresses.
struct Formatting
{
  std::string (*format)(fmt::string_view, fmt::format_args) = fmt::vformat;
  void (*print)(fmt::string_view, fmt::format_args) = fmt::vprint;
  void (*print_to)(std::FILE*, fmt::string_view, fmt::format_args) = fmt::vprint;
#if FMT_VERSION >= 90000 && FMT_VERSION < 100000
  // What code outside of fmt names of its inside.
  bool (*is_printable)(std::uint32_t) = fmt::detail::is_printable;
  char (*decimal_point)(fmt::detail::locale_ref) = fmt::detail::decimal_point_impl<char>;
  fmt::detail::thousands_sep_result<char> (*thousands)(fmt::detail::locale_ref)
    = fmt::detail::thousands_sep_impl<char>;
#endif
};

[[gnu::used]] constexpr Formatting FORMATTING;

} // namespace

} // namespace slirpstack
