#include "control/accelerator_commands.hh"

#include "control/json_line.hh"
#include "wire/protocol_name.hh"

#include <system_error>

namespace slirpstack {

namespace {

// So that an answer stays within some megabytes.
constexpr std::size_t MAX_LISTED = 65536;

constexpr const char* NO_ACCELERATOR = "there is no accelerator at work (-accel)";

Json describe(const AcceleratorBinding& binding)
{
  return {{"protocol", protocol_name(binding.protocol)},
          {"internal", binding.internal.to_string()},
          {"external", binding.external.to_string()},
          {"zone", binding.zone},
          {"idle_seconds", binding.idle_seconds}};
}

Json describe(const AcceleratorStatus& status)
{
  Json packets = Json::object();
  for (const AcceleratorCount& count : status.counts) {
    packets[std::string(count.name)] = {{"packets", count.packets}, {"bytes", count.bytes}};
  }
  return {{"ok", true},
          {"hook", status.hook},
          {"binds", status.binds},
          {"external", status.external},
          {"guests", status.guests},
          {"addresses", status.addresses},
          {"ports", status.ports},
          {"bindings", status.bindings},
          {"max_bindings", status.max_bindings},
          {"sessions", status.sessions},
          {"mappings", status.mappings},
          {"mapped_flows", status.mapped_flows},
          {"counts", std::move(packets)}};
}

/// The answer that `make` gives, or what kept it from one.
std::string answer_of(const AcceleratorView* accelerator, auto make)
{
  if (accelerator == nullptr) {
    return error_reply(NO_ACCELERATOR);
  }
  try {
    return line_of(make(*accelerator));
  } catch (const std::system_error& error) {
    return error_reply(std::string("cannot ") + error.what());
  }
}

} // namespace

std::string AcceleratorCommands::run(const ShowAccelerator& /*request*/) const
{
  return answer_of(accelerator_, [](const AcceleratorView& accelerator) {
    return describe(accelerator.status());
  });
}

std::string AcceleratorCommands::run(const ListBindings& /*request*/) const
{
  return answer_of(accelerator_, [](const AcceleratorView& accelerator) {
    Json list = Json::array();
    std::size_t left_out = 0;
    accelerator.for_each_binding([&](const AcceleratorBinding& binding) {
      if (list.size() < MAX_LISTED) {
        list.push_back(describe(binding));
      } else {
        ++left_out;
      }
    });
    return Json{{"ok", true}, {"bindings", std::move(list)}, {"left_out", left_out}};
  });
}

void AcceleratorOnlyCommands::execute(const Request& request, Reply reply)
{
  reply(std::visit(
    [this](const auto& asked) -> std::string {
      if constexpr (requires { commands_.run(asked); }) {
        return commands_.run(asked);
      } else if constexpr (requires { forwards_.run(asked); }) {
        return forwards_.run(asked);
      } else {
        return error_reply("there is no user-mode stack here: only accel and forward");
      }
    },
    request));
}

} // namespace slirpstack
