#pragma once

#include "control/accelerator_view.hh"
#include "control/published_forward_commands.hh"
#include "control/request.hh"
#include "control/request_handler.hh"

#include <string>

namespace slirpstack {

/// Answers what is asked about the accelerator. Each returns the answer's line.
class AcceleratorCommands
{
public:
  /// There is none until then; it must outlive this.
  void set_accelerator(const AcceleratorView& accelerator) { accelerator_ = &accelerator; }
  /// Null: none.
  [[nodiscard]] const AcceleratorView* accelerator() const { return accelerator_; }

  [[nodiscard]] std::string run(const ShowAccelerator& request) const;
  [[nodiscard]] std::string run(const ListBindings& request) const;

private:
  const AcceleratorView* accelerator_ = nullptr;
};

/// Serves a control socket where there is an accelerator and nothing else: no guests of ours.
class AcceleratorOnlyCommands final : public RequestHandler
{
public:
  /// Both must outlive this; null: there are no forwards to be had.
  AcceleratorOnlyCommands(const AcceleratorView& accelerator, PublishedForwards* forwards)
    : forwards_(forwards)
  {
    commands_.set_accelerator(accelerator);
  }

  void execute(const Request& request, Reply reply) override;

private:
  AcceleratorCommands commands_;
  PublishedForwardCommands forwards_;
};

} // namespace slirpstack
