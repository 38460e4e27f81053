#pragma once

#include "control/request.hh"

#include <string>
#include <string_view>

namespace slirpstack {

/// What `slirpstack ctl` prints of an answer, and the exit status that it gives.
struct AnswerText
{
  std::string text; ///< with its final newline; empty: nothing is to be printed
  /// Why it says no; with exit status 0, what there is to be said besides.
  std::string error;
  int exit_status = 0;
};

/// An answer of the control protocol in words. A line that is no answer is an error too.
[[nodiscard]] AnswerText answer_text(const Request& request, std::string_view answer);

} // namespace slirpstack
