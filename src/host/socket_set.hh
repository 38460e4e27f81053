#pragma once

#include "base/file_descriptor.hh"
#include "host/loop.hh"

#include <cstdint>
#include <system_error>
#include <vector>

struct epoll_event;

namespace slirpstack {

class SocketHandler
{
public:
  virtual ~SocketHandler() = default;
  /// `events` is a set of EPOLLIN, EPOLLPRI, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR. May destroy
  /// this or any other handler.
  virtual void on_socket_events(std::uint32_t events) = 0;
};

/// The sockets of all flows: one edge-triggered epoll set inside one libuv handle.
///
/// epoll knows a socket by a slot number and the slot's generation, never by a pointer. Leaving
/// the set ends the generation, so an event that was fetched in the same batch, or that still
/// comes because some other process holds the socket open, finds nobody.
class SocketSet
{
public:
  /// Throws std::system_error.
  explicit SocketSet(Loop& loop);
  ~SocketSet();
  SocketSet(const SocketSet&) = delete;
  SocketSet& operator=(const SocketSet&) = delete;
  SocketSet(SocketSet&&) = delete;
  SocketSet& operator=(SocketSet&&) = delete;

  /// A handler's place in the set, which leaves it when destroyed. The owner closes the socket
  /// right after (a member declared before this one does), which takes it out of epoll.
  class Membership
  {
  public:
    Membership() = default;
    ~Membership() { leave(); }
    Membership(Membership&& other) noexcept;
    Membership& operator=(Membership&& other) noexcept;
    Membership(const Membership&) = delete;
    Membership& operator=(const Membership&) = delete;

    void leave();
    /// Watches for `events` (as in `add`) from now on. What is already the case is delivered,
    /// even if it was before, from the loop.
    void watch(int descriptor, std::uint32_t events);

  private:
    friend class SocketSet;
    SocketSet* set_ = nullptr;
    std::uint32_t slot_ = 0;
    std::uint32_t generation_ = 0;
  };

  /// Tells, across a callback that may destroy the handler, whether it is still there.
  class Liveness
  {
  public:
    explicit Liveness(const Membership& membership);
    [[nodiscard]] bool alive() const;

  private:
    const SocketSet* set_;
    std::uint32_t slot_;
    std::uint32_t generation_;
  };

  /// Watches `descriptor`, edge-triggered, for `events` (EPOLLIN, EPOLLPRI, EPOLLOUT, EPOLLRDHUP),
  /// hang-ups and errors. Fails when the kernel is out of memory or watches.
  std::error_code add(int descriptor,
                      std::uint32_t events,
                      SocketHandler& handler,
                      Membership& membership);

  /// How many handlers are in the set.
  [[nodiscard]] std::size_t size() const { return slots_.size() - free_.size(); }

private:
  struct Slot
  {
    SocketHandler* handler = nullptr;
    std::uint32_t generation = 0;
  };

  void deliver();
  void deliver(const epoll_event& event);
  [[nodiscard]] SocketHandler* find(std::uint32_t slot, std::uint32_t generation) const;

  FileDescriptor epoll_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  Watch watch_;
};

} // namespace slirpstack
