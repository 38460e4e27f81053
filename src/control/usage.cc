#include "control/usage.hh"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace slirpstack {

namespace {

struct Form
{
  std::string_view noun;
  std::string_view words; ///< what follows the noun
  std::string_view summary;
};

constexpr std::array FORMS{
  Form{"forward", "add -L SPEC", "publish a port of the guest; shows its number"},
  Form{"forward", "add -R SPEC", "bring one of the host to the guest"},
  Form{"forward", "list", "those in effect, with their flows"},
  Form{"forward", "remove NUMBER [-drain]", "-drain: its connections go on to their end"},
  Form{"rules", "list", "those of -rules, with what they matched"},
  Form{"rules", "reload", "read the file again: as a whole or not at all"},
  Form{"explain",
       "[in|out] tcp|udp HOST:PORT | icmp HOST",
       "what would become of a flow; status 1: refused"},
  Form{"flows", "", "those that live now"},
  Form{"statistics", "", "counters, as JSON"},
  Form{"map", "add IF INTERNAL/LENGTH EXTERNAL/LENGTH [neutral] [open]", "a prefix mapping"},
  Form{"map", "del IF INTERNAL/LENGTH", "the end of one"},
  Form{"map", "drop IF|-all", "all mappings of an interface, or all there are"},
  Form{"map", "list [IF]", "the mappings"},
  Form{"map", "status [IF]", "how many there are"},
  Form{"map", "batch [-delete] FILE", "the changes of a file; -delete: the other way"},
  Form{"map", "resolve ADDRESS", "what it is on the other side"},
  Form{"accel", "status", "the NAT in the kernel, and its counts"},
  Form{"accel", "bindings", "its bindings"},
};

std::string command_of(const Form& form)
{
  return fmt::format("{}{}{}", form.noun, form.words.empty() ? "" : " ", form.words);
}

} // namespace

std::string control_help()
{
  constexpr std::size_t COLUMN = 32;
  const std::string below = fmt::format("\n{:{}}", "", COLUMN + 2);
  std::string text = "slirpstack ctl asks a running slirpstack; SOCKET is what that one has been\n"
                     "started with as -control.\n\n";
  for (const Form& form : FORMS) {
    const std::string command = command_of(form);
    if (command.size() < COLUMN) {
      text += fmt::format("  {:<{}}{}\n", command, COLUMN, form.summary);
    } else {
      text += fmt::format("  {}{}{}\n", command, below, form.summary);
    }
  }
  return text;
}

std::string usage_of(std::string_view noun, std::string_view program)
{
  std::string text;
  for (const Form& form : FORMS) {
    if (form.noun == noun) {
      text += fmt::format("{} {}", text.empty() ? program : " |", command_of(form));
    }
  }
  return text;
}

bool is_command_noun(std::string_view word)
{
  return std::ranges::any_of(FORMS, [&](const Form& form) { return form.noun == word; });
}

} // namespace slirpstack
