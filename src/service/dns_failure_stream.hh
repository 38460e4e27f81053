#pragma once

#include "flow/host_network.hh"

#include <cstdint>
#include <vector>

namespace slirpstack {

/// Stands in for a resolver over TCP when none can be reached: answers every query of the guest
/// with SERVFAIL (RFC 1035 4.1.1; framing of RFC 1035 4.2.2), so that the guest hears of the
/// failure from its name server, in the words that resolvers have for it.
class DnsFailureStream final : public HostStream
{
public:
  /// Takes queries. One that is no DNS query ends the stream.
  Transfer send(std::span<const iovec> pieces) override;
  Transfer receive(std::span<const iovec> pieces) override;
  Transfer peek(MutableBytes bytes) override;
  void shutdown_send() override;
  void reset_on_close() override {}
  void deliver_to(HostStreamEvents& events) override { events_ = &events; }
  [[nodiscard]] std::optional<Endpoint> local() const override { return std::nullopt; }
  [[nodiscard]] std::optional<StreamAddress> remote() const override { return std::nullopt; }

private:
  void answer_complete_queries();
  [[nodiscard]] bool answer(ByteView query);

  HostStreamEvents* events_ = nullptr;
  std::vector<std::uint8_t> queries_; ///< received and not yet complete
  std::vector<std::uint8_t> answers_; ///< not yet taken
  bool ended_ = false;
};

} // namespace slirpstack
