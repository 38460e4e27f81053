#pragma once

#include "control/request.hh"

#include <string>
#include <string_view>
#include <vector>

namespace slirpstack {

/// What `slirpstack ctl` prints of an answer, and the exit status that it gives.
struct AnswerText
{
  std::string text;  ///< with its final newline; empty: nothing is to be printed
  std::string error; ///< why it says no
  int exit_status = 0;
  std::vector<std::string> warnings; ///< what there is to be said beside a yes
};

/// An answer of the control protocol in words. A line that is no answer is an error too.
[[nodiscard]] AnswerText answer_text(const Request& request, std::string_view answer);

} // namespace slirpstack
