#pragma once

#include "control/request.hh"

#include <functional>
#include <string>

namespace slirpstack {

/// Whoever does what is asked for over a control socket.
class RequestHandler
{
public:
  /// Takes the answer: one line of JSON without its newline, `{"ok": true, …}` or
  /// `{"ok": false, "error": "…"}`.
  using Reply = std::function<void(std::string)>;

  virtual ~RequestHandler() = default;
  /// `reply` is called once: before this returns, or from the event loop if a name has to be looked
  /// up; not at all once this object is gone.
  virtual void execute(const Request& request, Reply reply) = 0;
};

/// The line that says no.
[[nodiscard]] std::string error_reply(std::string_view reason);

} // namespace slirpstack
