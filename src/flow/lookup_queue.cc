#include "flow/lookup_queue.hh"

#include <fmt/format.h>
#include <utility>

namespace slirpstack {

class LookupQueue::Lookup final : public PendingLookup
{
public:
  Lookup(LookupQueue& queue,
         Kind kind,
         const HostName& name,
         std::function<void(const LookupAnswer&)> done)
    : queue_(queue)
    , kind_(kind)
    , name_(name)
    , done_(std::move(done))
    , position_(queue.waiting_.insert(queue.waiting_.end(), this))
  {}
  ~Lookup() override
  {
    switch (state_) {
      case State::waiting:
        queue_.waiting_.erase(position_);
        break;
      case State::under_way:
        lookup_.reset();
        --queue_.under_way_;
        queue_.start_waiting();
        break;
      case State::answered:
        break;
    }
  }
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;
  Lookup(Lookup&&) = delete;
  Lookup& operator=(Lookup&&) = delete;

  void start()
  {
    leave_line(State::under_way);
    ++queue_.under_way_;
    auto done = [this](const LookupAnswer& answer) { on_answer(answer); };
    lookup_ = kind_ == Kind::afresh ? queue_.names_.look_up_afresh(name_, std::move(done))
                                    : queue_.names_.look_up(name_, std::move(done));
  }

  /// Without having asked. This may be gone when it returns.
  void give_up()
  {
    leave_line(State::answered);
    const auto done = std::move(done_);
    done({.addresses = {},
          .error = fmt::format("lookup {}: the name service does not answer", name_.to_string())});
  }

private:
  enum class State : std::uint8_t
  {
    waiting,
    under_way,
    answered,
  };

  void leave_line(State state)
  {
    queue_.waiting_.erase(position_);
    state_ = state;
  }

  /// This may be gone when it returns.
  void on_answer(const LookupAnswer& answer)
  {
    LookupQueue& queue = queue_;
    const auto done = std::move(done_);
    const auto lookup = std::move(lookup_); // has served
    state_ = State::answered;
    --queue.under_way_;
    queue.on_answer(answer);
    done(answer);
    queue.give_up_waiting();
  }

  LookupQueue& queue_;
  Kind kind_;
  HostName name_;
  std::function<void(const LookupAnswer&)> done_;
  std::list<Lookup*>::iterator position_; ///< while it waits
  State state_ = State::waiting;
  std::unique_ptr<PendingLookup> lookup_;
};

std::unique_ptr<PendingLookup> LookupQueue::look_up(const HostName& name,
                                                    std::function<void(const LookupAnswer&)> done)
{
  return queue_up(Kind::kept_too, name, std::move(done));
}

std::unique_ptr<PendingLookup> LookupQueue::look_up_afresh(
  const HostName& name,
  std::function<void(const LookupAnswer&)> done)
{
  return queue_up(Kind::afresh, name, std::move(done));
}

std::unique_ptr<PendingLookup> LookupQueue::queue_up(Kind kind,
                                                     const HostName& name,
                                                     std::function<void(const LookupAnswer&)> done)
{
  auto lookup = std::make_unique<Lookup>(*this, kind, name, std::move(done));
  start_waiting();
  return lookup;
}

void LookupQueue::start_waiting()
{
  while (under_way_ < at_a_time_ && !waiting_.empty()) {
    waiting_.front()->start();
  }
}

void LookupQueue::on_answer(const LookupAnswer& answer)
{
  const bool has_answered = !answer.addresses.empty() || answer.no_such_name;
  unanswered_ = has_answered ? 0 : unanswered_ + 1;
  if (unanswered_ < at_a_time_) {
    start_waiting();
  }
}

void LookupQueue::give_up_waiting()
{
  if (unanswered_ < at_a_time_) {
    return;
  }
  // Whoever is told may ask for more names, which are not among these.
  for (std::size_t left = waiting_.size(); left > 0 && !waiting_.empty(); --left) {
    waiting_.front()->give_up();
  }
}

} // namespace slirpstack
