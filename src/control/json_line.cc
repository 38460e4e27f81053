#include "control/json_line.hh"

namespace slirpstack {

std::string line_of(const Json& answer)
{
  return answer.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace slirpstack
