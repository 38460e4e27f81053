#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace slirpstack {

/// A mistake in what the user typed. The text names the option, the value and what would be
/// right; the program prints it as one line and exits with status 2.
class UsageError : public std::runtime_error
{
public:
  using std::runtime_error::runtime_error;
};

/// Throws std::system_error for the current errno; `attempt` says what was tried.
[[noreturn]] void throw_system_error(std::string_view attempt);

/// Passes a system call's result through, or throws std::system_error with the attempt:
/// `system_call("open /dev/net/tun", ::open(…))`.
template<typename Result>
Result system_call(std::string_view attempt, Result result)
{
  if (result < 0) {
    throw_system_error(attempt);
  }
  return result;
}

/// The current errno as a std::error_code (generic category); for data path calls, which do not
/// throw.
[[nodiscard]] std::error_code last_error();

} // namespace slirpstack
