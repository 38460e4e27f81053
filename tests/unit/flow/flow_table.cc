#include "flow/flow_table.hh"

#include <doctest/doctest.h>

namespace slirpstack {

namespace {

using namespace std::chrono_literals;

constexpr TimePoint START{1000s};

FlowKey key_of(std::uint16_t port)
{
  return {
    6, {IpAddress::parse("10.0.2.100").value(), port}, {IpAddress::parse("192.0.2.1").value(), 80}};
}

/// Counts what is done to it. Its deadline is the test's.
class TestRelay final : public Relay
{
public:
  TestRelay(FlowTable& flows, std::uint16_t port, TimePoint deadline, int& deaths)
    : Relay(key_of(port)), deadline_(deadline), flows_(flows), deaths_(deaths)
  {}
  ~TestRelay() override
  {
    ++deaths_;
    if (heir_ != nullptr) {
      flows_.finish(*heir_);
    }
  }
  TestRelay(const TestRelay&) = delete;
  TestRelay& operator=(const TestRelay&) = delete;
  TestRelay(TestRelay&&) = delete;
  TestRelay& operator=(TestRelay&&) = delete;

  [[nodiscard]] TimePoint deadline() const override { return deadline_; }
  void on_deadline(TimePoint now) override
  {
    ++asked_;
    if (again_after_ > 0s) {
      deadline_ = now + again_after_;
    } else {
      flows_.finish(*this);
    }
  }
  [[nodiscard]] bool expendable() const override { return expendable_; }

  TimePoint deadline_;
  Duration again_after_ = 0s;
  bool expendable_ = false;
  int asked_ = 0;
  Relay* heir_ = nullptr; ///< finished by its death

private:
  FlowTable& flows_;
  int& deaths_;
};

struct Table
{
  TestRelay& insert(std::uint16_t port, TimePoint deadline = NEVER)
  {
    auto relay = std::make_unique<TestRelay>(flows, port, deadline, deaths);
    TestRelay& inserted = *relay;
    flows.insert(std::move(relay));
    return inserted;
  }

  int deaths = 0;
  FlowTable flows{{1, 2}, 3};
};

} // namespace

TEST_CASE("a flow is found by its whole key")
{
  Table table;
  TestRelay& relay = table.insert(1);
  CHECK(table.flows.find(key_of(1)) == &relay);
  CHECK(table.flows.find(key_of(2)) == nullptr);
  FlowKey other_protocol = key_of(1);
  other_protocol.protocol = 17;
  CHECK(table.flows.find(other_protocol) == nullptr);
}

TEST_CASE("a finished flow gives up its key at once and dies at the burial")
{
  Table table;
  TestRelay& old = table.insert(1, START);
  table.flows.finish(old);
  table.flows.finish(old); // once is enough
  CHECK(FlowTable::finished(old));
  CHECK(table.flows.find(key_of(1)) == nullptr);
  CHECK(table.flows.size() == 0);
  CHECK(table.flows.next_deadline() == NEVER);
  CHECK(table.deaths == 0);

  TestRelay& young = table.insert(1);
  table.flows.reschedule(old); // without effect
  CHECK(table.flows.find(key_of(1)) == &young);
  table.flows.bury();
  CHECK(table.deaths == 1);
  CHECK(table.flows.find(key_of(1)) == &young);
}

TEST_CASE("a relay that finishes another one in its death takes it along")
{
  Table table;
  TestRelay& first = table.insert(1);
  first.heir_ = &table.insert(2);
  table.flows.finish(first);
  table.flows.bury();
  CHECK(table.deaths == 2);
  CHECK(table.flows.size() == 0);
}

TEST_CASE("deadlines are asked for in order, late ones only when due")
{
  Table table;
  TestRelay& late = table.insert(1, START + 2s);
  TestRelay& soon = table.insert(2, START + 1s);
  CHECK(table.flows.next_deadline() == START + 1s);
  soon.again_after_ = 10s;
  table.flows.expire(START + 1s);
  CHECK(soon.asked_ == 1);
  CHECK(late.asked_ == 0);
  CHECK(table.flows.next_deadline() == START + 2s);
  table.flows.expire(START + 2s);
  CHECK(FlowTable::finished(late));
  CHECK(table.flows.next_deadline() == START + 11s);
}

TEST_CASE("a deadline moves later without a word and earlier by rescheduling")
{
  Table table;
  TestRelay& relay = table.insert(1, START + 1s);
  relay.deadline_ = START + 5s;
  table.flows.expire(START + 1s);
  CHECK(relay.asked_ == 0);
  CHECK(table.flows.next_deadline() == START + 5s);

  relay.deadline_ = START + 3s;
  table.flows.reschedule(relay);
  CHECK(table.flows.next_deadline() == START + 3s);

  relay.deadline_ = NEVER;
  table.flows.reschedule(relay);
  CHECK(table.flows.next_deadline() == NEVER);
  table.flows.expire(START + 100s);
  CHECK(relay.asked_ == 0);
}

TEST_CASE("a full table makes room only by what carries nothing any more")
{
  Table table;
  table.insert(1, START + 1s);
  TestRelay& expendable = table.insert(2, START + 2s);
  CHECK_FALSE(table.flows.full());
  table.insert(3, START + 3s);
  CHECK(table.flows.full());
  CHECK_FALSE(table.flows.make_room());
  expendable.expendable_ = true;
  CHECK(table.flows.make_room());
  CHECK(FlowTable::finished(expendable));
  CHECK_FALSE(table.flows.full());
}

TEST_CASE("all flows end together")
{
  Table table;
  table.insert(1, START);
  table.insert(2);
  table.flows.finish_all();
  CHECK(table.flows.size() == 0);
  table.flows.bury();
  CHECK(table.deaths == 2);
}

} // namespace slirpstack
