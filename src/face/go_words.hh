#pragma once

#include "flow/grammar_error.hh"

#include <string>

namespace slirpstack {

/// The mistake in slirpnetstack's words, which are those of Go's libraries for the most part.
[[nodiscard]] std::string go_words(const GrammarError& error);

} // namespace slirpstack
