#include "flow/flow_record.hh"

namespace slirpstack {

std::string_view origin_name(FlowOrigin origin)
{
  switch (origin) {
    case FlowOrigin::outbound:
      return "outbound";
    case FlowOrigin::service:
      return "service";
    case FlowOrigin::remote_forward:
      return "remote_forward";
    case FlowOrigin::local_forward:
      break;
  }
  return "local_forward";
}

std::string EndResult::to_string() const
{
  if (!ended) {
    return "0";
  }
  return error ? error.message() : "EOF";
}

void FlowEnd::note(Part part, std::error_code error)
{
  EndResult& result = results[part];
  if (result.ended) {
    return;
  }
  result = {.ended = true, .error = error};
  if (!first) {
    first = part;
  }
}

} // namespace slirpstack
