#include "accel/early_fragments.hh"

#include "base/siphash.hh"
#include "wire/ethernet.hh"

#include <array>
#include <chrono>
#include <cstring>
#include <fmt/format.h>
#include <optional>
#include <unistd.h>
#include <utility>

namespace slirpstack {

namespace {

constexpr std::chrono::nanoseconds LIFETIME(NAT_FRAGMENT_NS);
constexpr unsigned MTU_BYTES = 1500; // of what would be sent to us, which is nothing
constexpr std::size_t TAG_OFFSET = 12;

// There may be several of us, in other namespaces for processes.
HostTap open_tap()
{
  return open_host_tap(
    fmt::format("slf{:08x}", static_cast<std::uint32_t>(HashSecret::random().low)), MTU_BYTES);
}

std::chrono::nanoseconds since(std::uint64_t time)
{
  return Clock::now().time_since_epoch() - std::chrono::nanoseconds(time);
}

/// The frame as the tap takes it.
std::vector<std::uint8_t> returning_frame(const nat_early& early, ByteView frame)
{
  std::vector<std::uint8_t> returning(frame.begin(), frame.end());
  Writer destination(returning);
  destination.u8(NAT_RETURN_PREFIX);
  destination.u8(early.key.inbound);
  destination.u32(early.ifindex);
  if (early.vlan_protocol != 0) {
    std::array<std::uint8_t, 4> tag{};
    std::memcpy(tag.data(), &early.vlan_protocol, sizeof early.vlan_protocol);
    tag[2] = static_cast<std::uint8_t>(early.vlan_tag >> 8U);
    tag[3] = static_cast<std::uint8_t>(early.vlan_tag);
    returning.insert(returning.begin() + TAG_OFFSET, tag.begin(), tag.end());
  }
  return returning;
}

} // namespace

EarlyFragments::EarlyFragments(Loop& loop, NatAccelerator& nat)
  : nat_(nat)
  , firsts_(nat.object().map("fragments"))
  , tap_(open_tap())
  , held_({}, [this](ByteView frame) { write(frame); })
  , ring_(nat.object(), "early", [this](ByteView record) { on_record(record); })
  , watch_(loop, ring_.fd(), [this] { read(); })
  , next_(loop, [this] { expire(); })
{
  NatTable<std::uint32_t, nat_interface>(nat_.object().map("interfaces"))
    .put(static_cast<std::uint32_t>(tap_.index), {0, NAT_HOLDER});
  nat_.attach_tap(tap_.index);
}

EarlyFragments::~EarlyFragments()
{
  nat_.detach(tap_.index);
}

void EarlyFragments::read()
{
  ring_.read();
  next_.set(held_.deadline());
}

void EarlyFragments::expire()
{
  held_.expire(Loop::now());
  next_.set(held_.deadline());
}

void EarlyFragments::on_record(ByteView record)
{
  nat_early early{};
  if (record.size() < sizeof early) {
    return;
  }
  std::memcpy(&early, record.data(), sizeof early);
  if (early.length_bytes == 0) {
    held_.release(early.key);
    return;
  }
  const ByteView rest = record.subspan(sizeof early);
  if (early.length_bytes < EthernetHeader::SIZE_BYTES || early.length_bytes > rest.size()) {
    return;
  }
  std::vector<std::uint8_t> frame = returning_frame(early, rest.first(early.length_bytes));
  if (has_come(early.key) || since(early.time) > LIFETIME) { // by now, or in a predecessor's time
    write(frame);
  } else {
    held_.hold({early.key, early.share % NAT_SHARES, Loop::now() + LIFETIME, std::move(frame)});
  }
}

bool EarlyFragments::has_come(const nat_fragment_key& key) const
{
  const std::optional<nat_fragment> first = firsts_.find(key);
  return first && since(first->seen) < LIFETIME;
}

/// What the kernel does not take is lost, as any packet may be.
void EarlyFragments::write(ByteView frame) const
{
  [[maybe_unused]] const ssize_t taken = ::write(tap_.fd.get(), frame.data(), frame.size());
}

} // namespace slirpstack
