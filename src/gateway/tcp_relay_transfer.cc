// The bytes of a TcpRelay, one direction and the other.

#include "gateway/tcp_relay.hh"
#include "gateway/tcp_relays.hh"

#include <algorithm>
#include <array>

namespace slirpstack {

namespace {

// One flow moves at most this many reads before the others have their turn.
constexpr int READS_PER_TURN = 4;

/// Cuts the pieces to that many bytes in all; returns those that are left.
std::span<iovec> shorten(std::span<iovec> pieces, std::size_t length_bytes)
{
  std::size_t count = 0;
  while (count < pieces.size() && length_bytes > 0) {
    iovec& piece = pieces[count++];
    piece.iov_len = std::min(piece.iov_len, length_bytes);
    length_bytes -= piece.iov_len;
  }
  return pieces.first(count);
}

} // namespace

void TcpRelay::push_to_host()
{
  std::array<iovec, Connection::MAX_PIECES> pieces; // NOLINT: only what unread() fills is read
  while (stream_ && writable_ && connection_->unread_bytes() > 0) {
    const std::span<iovec> unread = std::span(pieces).first(connection_->unread(pieces));
    const Throttle::Allowance allowed = throttle_.ask_to_send(unread, relays_.time_.now);
    if (allowed.bytes == 0) {
      relays_.pause(*this, allowed.retry_at);
      return;
    }
    const std::span<iovec> next = shorten(unread, allowed.bytes);
    const Transfer sent = stream_->send(next);
    throttle_.on_sent(next, sent.bytes, allowed.bytes, relays_.time_.now);
    if (sent.code) {
      note_end(Side::host, Act::write, sent.code);
      fail();
      return;
    }
    writable_ = !sent.would_block && sent.bytes == allowed.bytes;
    record().traffic.to_host_bytes += sent.bytes;
    connection_->consume(sent.bytes);
  }
  if (stream_ && !guest_ended_ && connection_->guest_finished()
      && connection_->unread_bytes() == 0) {
    guest_ended_ = true;
    note_end(Side::guest, Act::read);
    stream_->shutdown_send();
  }
}

bool TcpRelay::pull_from_host()
{
  for (int reads = 0; reads < READS_PER_TURN; ++reads) {
    if (!stream_ || !readable_) {
      return false;
    }
    // Behind the end of the stream only a reset can come; it is read like one byte more.
    const std::uint32_t room = host_ended_ ? 1 : connection_->room_bytes();
    if (room == 0) {
      return false; // on_room() follows
    }
    if (!pull_once(room)) {
      return false;
    }
  }
  return readable_ && !is_paused_;
}

bool TcpRelay::pull_once(std::uint32_t room_bytes)
{
  const std::uint32_t segment = connection_->super_segment_bytes();
  const Throttle::Allowance allowed = throttle_.ask_to_receive(
    std::min<std::size_t>(room_bytes, segment * ReadBlocks::COUNT), relays_.time_.now);
  if (allowed.bytes == 0) {
    relays_.pause(*this, allowed.retry_at);
    return false;
  }
  const std::span<iovec> pieces
    = relays_.read_blocks_.pieces(static_cast<std::uint32_t>(allowed.bytes), segment);
  std::size_t wanted = 0;
  for (const iovec& piece : pieces) {
    wanted += piece.iov_len;
  }
  const Transfer received = stream_->receive(pieces);
  throttle_.on_received(received.bytes, allowed.bytes);
  if (received.code) {
    note_end(Side::host, Act::read, received.code);
    fail();
    return false;
  }
  if (received.end_of_stream) {
    on_host_end();
    return false;
  }
  readable_ = !received.would_block && (received.bytes == wanted || hangup_);
  if (received.bytes == 0) {
    return false;
  }
  record().traffic.to_guest_bytes += received.bytes;
  if (!write_to_guest(received.bytes, segment)) {
    fail();
    return false;
  }
  connection_->push();
  return readable_ && !FlowTable::finished(*this);
}

bool TcpRelay::write_to_guest(std::size_t received_bytes, std::uint32_t segment_bytes)
{
  for (std::size_t i = 0; received_bytes > 0; ++i) {
    const auto length
      = static_cast<std::uint32_t>(std::min<std::size_t>(received_bytes, segment_bytes));
    received_bytes -= length;
    Block block = relays_.read_blocks_.take(i, length);
    if (!connection_->write(std::move(block), length, received_bytes > 0)) {
      return false;
    }
  }
  return true;
}

void TcpRelay::on_host_end()
{
  readable_ = false;
  if (host_ended_) {
    return;
  }
  host_ended_ = true;
  note_end(Side::host, Act::read);
  connection_->finish();
}

} // namespace slirpstack
