#include "accel/program_settings.hh"

#include <random>

namespace slirpstack {

ProgramSettings::ProgramSettings(const NatObject& object,
                                 std::uint32_t max_visitors,
                                 std::uint32_t recent_ticks)
  : table_(object.map("settings"))
  , recent_sets_(object.recent_sets())
  , secret_(std::random_device{}())
  , recent_ticks_(recent_ticks)
  , max_visitors_(max_visitors)
{}

void ProgramSettings::put(const NatPlan& plan,
                          std::uint32_t generation,
                          std::uint32_t further_flags)
{
  nat_settings wanted = settings_of(plan, generation);
  wanted.flags |= further_flags;
  wanted.recent_sets = recent_sets_;
  wanted.recent_ticks = recent_ticks_;
  wanted.secret = secret_;
  wanted.max_visitors = max_visitors_;
  table_.put(0, wanted);
}

void ProgramSettings::begin(const NatPlan& plan, std::uint32_t generation)
{
  put(plan, generation, 0);
}

void ProgramSettings::change(const NatPlan& plan)
{
  const nat_settings former = now();
  put(plan, former.generation, former.flags & (NAT_HEARTBEAT | NAT_HOLDS_FRAGMENTS));
}

void ProgramSettings::add(std::uint32_t flag)
{
  nat_settings wanted = now();
  wanted.flags |= flag;
  table_.put(0, wanted);
}

} // namespace slirpstack
