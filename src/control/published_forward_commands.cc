#include "control/published_forward_commands.hh"

#include "base/error.hh"
#include "control/json_line.hh"
#include "control/request_handler.hh"

#include <fmt/format.h>
#include <system_error>

namespace slirpstack {

namespace {

constexpr const char* NO_FORWARDS = "there are no forwards to be had here";

/// The members that a guest's forward has.
Json describe(const PublishedForward& forward)
{
  Json listening = Json::array();
  for (const PublishedPort& port : forward.ports) {
    listening.push_back(port.external.to_string());
  }
  return {{"id", forward.id},
          {"local", forward.spec.text},
          {"scheme", scheme_name(forward.spec.scheme)},
          {"listening", std::move(listening)},
          {"flows", 0},
          {"published", true},
          {"draining", false}};
}

/// The answer that `make` gives, or what kept it from one.
std::string answer_of(auto make)
{
  try {
    Json answer{{"ok", true}};
    answer.update(make());
    return line_of(answer);
  } catch (const UsageError& error) {
    return error_reply(error.what());
  } catch (const std::system_error& error) {
    return error_reply(fmt::format("cannot {}", error.what()));
  }
}

} // namespace

std::string PublishedForwardCommands::run(const AddForward& request)
{
  if (forwards_ == nullptr) {
    return error_reply(NO_FORWARDS);
  }
  return answer_of([&] {
    if (request.direction == ForwardDirection::remote) {
      throw UsageError("-R is for guests of slirpstack's own; the NAT has -L alone");
    }
    return describe(forwards_->add(ForwardSpec::parse(request.direction, request.spec)));
  });
}

std::string PublishedForwardCommands::run(const ListForwards& /*request*/) const
{
  return answer_of([this] {
    Json list = Json::array();
    if (forwards_ != nullptr) {
      for (const PublishedForward& forward : forwards_->list()) {
        list.push_back(describe(forward));
      }
    }
    return Json{{"forwards", std::move(list)}};
  });
}

std::string PublishedForwardCommands::run(const RemoveForward& request)
{
  // Draining or not: what the NAT carries ends with the forward, as with a guest's.
  return answer_of([&] {
    if (forwards_ == nullptr || !forwards_->remove(request.id)) {
      throw UsageError(fmt::format("there is no forward {}", request.id));
    }
    return Json::object();
  });
}

} // namespace slirpstack
