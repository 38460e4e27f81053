#pragma once

#include "control/request.hh"
#include "flow/published_forward.hh"

#include <string>

namespace slirpstack {

/// Answers what is asked about forwards of the NAT, which is as of those of a guest. Each returns
/// the answer's line.
class PublishedForwardCommands
{
public:
  /// `forwards` must outlive this; null: there are none to be had.
  explicit PublishedForwardCommands(PublishedForwards* forwards) : forwards_(forwards) {}

  [[nodiscard]] std::string run(const AddForward& request);
  [[nodiscard]] std::string run(const ListForwards& request) const;
  [[nodiscard]] std::string run(const RemoveForward& request);

private:
  PublishedForwards* forwards_;
};

} // namespace slirpstack
