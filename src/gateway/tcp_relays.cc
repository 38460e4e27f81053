#include "gateway/tcp_relays.hh"

#include <algorithm>
#include <utility>

namespace slirpstack {

TcpRelays::TcpRelays(const Settings& settings,
                     const EventTime& time,
                     Stack& stack,
                     BlockPool& pool,
                     HostNetwork& host,
                     NameResolver& names,
                     FlowTable& flows,
                     Admission& admission,
                     ClientNames& clients,
                     PacketSink& guest,
                     IcmpReporter& icmp,
                     DropCounters& drops)
  : settings_(settings)
  , time_(time)
  , stack_(stack)
  , host_(host)
  , names_(names)
  , flows_(flows)
  , admission_(admission)
  , clients_(clients)
  , guest_(guest)
  , icmp_(icmp)
  , drops_(drops)
  , read_blocks_(pool)
{}

void TcpRelays::open_from_guest(const FlowKey& key,
                                const IpHeader& ip,
                                const TcpHeader& tcp,
                                ByteView packet,
                                OutboundPlan plan,
                                FlowRecord record)
{
  auto opening
    = std::make_unique<GuestOpening>(*this, key, ParkedSyn(ip, tcp, packet), std::move(plan));
  opening->record() = std::move(record);
  GuestOpening& opened = *opening;
  flows_.insert(std::move(opening));
  opened.start();
}

void TcpRelays::admit(GuestOpening& opening,
                      std::unique_ptr<HostStream> stream,
                      const ParkedSyn& syn)
{
  auto relay = std::make_unique<TcpRelay>(*this, opening.key(), std::move(stream));
  if (relay->admit(syn)) {
    flows_.announce(flows_.replace(opening, std::move(relay)));
  } else {
    flows_.announce_failure(opening, "out of memory");
    flows_.finish(opening);
  }
}

void TcpRelays::open_from_host(std::unique_ptr<HostStream> stream, InboundPlan plan)
{
  while (!plan.targets.empty()) {
    const Endpoint target = plan.targets.front();
    plan.targets.pop_front();
    const auto from = clients_.name_for(PROTOCOL_TCP, plan.client, target);
    if (!from) {
      continue;
    }
    const FlowKey key{PROTOCOL_TCP, target, *from};
    FlowRecord record{
      .request = {.direction = FlowDirection::in,
                  .protocol = PROTOCOL_TCP,
                  .source = plan.client ? plan.client->address : from->address,
                  .destination = target},
      .origin = FlowOrigin::local_forward,
      .forward = plan.forward_id,
    };
    Admitted admitted = admission_.ask(record.request, key);
    if (!admitted.granted) {
      continue;
    }
    record.grant = std::move(admitted.grant);
    auto opening = std::make_unique<HostOpening>(*this, key, std::move(stream), std::move(plan));
    opening->record() = std::move(record);
    HostOpening& opened = *opening;
    flows_.insert(std::move(opening));
    opened.start();
    return;
  }
  stream->reset_on_close();
}

void TcpRelays::join(HostOpening& opening,
                     std::unique_ptr<HostStream> stream,
                     std::unique_ptr<Connection> connection,
                     bool readable,
                     bool hangup)
{
  auto relay = std::make_unique<TcpRelay>(*this, opening.key(), std::move(stream));
  auto& joined = static_cast<TcpRelay&>(flows_.replace(opening, std::move(relay)));
  joined.take(std::move(connection), readable, hangup);
  flows_.announce(joined);
}

bool TcpRelays::flush()
{
  // Two lists: a relay that has more to do waits for the next turn, behind all the others.
  working_.swap(work_);
  for (TcpRelay* relay : working_) {
    relay->has_work_ = false;
    if (FlowTable::finished(*relay)) {
      continue;
    }
    if (relay->work()) {
      relay->note_work();
    }
  }
  working_.clear();
  // A relay that finished after it was noted is about to be buried.
  const auto is_finished = [](const TcpRelay* relay) { return FlowTable::finished(*relay); };
  std::erase_if(work_, is_finished);
  std::erase_if(paused_, is_finished);
  if (work_.empty()) {
    read_blocks_.release();
  }
  return !work_.empty();
}

void TcpRelays::pause(TcpRelay& relay, TimePoint until)
{
  if (!std::exchange(relay.is_paused_, true)) {
    paused_.push_back(&relay);
  }
  resume_at_ = std::min(resume_at_, until);
}

void TcpRelays::on_deadline()
{
  if (time_.now < resume_at_) {
    return;
  }
  // All at once: who comes too early waits again.
  resume_at_ = NEVER;
  for (TcpRelay* const relay : std::exchange(paused_, {})) {
    relay->is_paused_ = false;
    if (!FlowTable::finished(*relay)) {
      relay->note_work();
    }
  }
}

ChosenSource TcpRelays::source_of(const IpAddress& guest) const
{
  return choose_source(
    settings_.mapped, guest, guest.is_ipv4() ? settings_.source_ipv4 : settings_.source_ipv6);
}

} // namespace slirpstack
