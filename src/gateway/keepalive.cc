#include "gateway/keepalive.hh"

namespace slirpstack {

namespace {

// RFC 9293 3.8.4 leaves the numbers open; these are Linux's own (tcp_keepalive_intvl and _probes).
constexpr std::chrono::seconds PROBE_INTERVAL(75);
constexpr std::uint8_t MAX_PROBES = 9;

} // namespace

Keepalive::Check Keepalive::check(TimePoint now)
{
  const TimePoint idle_until = heard_at_ + idle_;
  if (now < idle_until) {
    return {Verdict::wait, idle_until};
  }
  if (probes_ == MAX_PROBES) {
    return {Verdict::dead, NEVER};
  }
  ++probes_;
  return {Verdict::probe, now + PROBE_INTERVAL};
}

} // namespace slirpstack
