#include "service/dns_failure_stream.hh"

#include "wire/dns.hh"

#include <algorithm>
#include <array>
#include <cstring>

namespace slirpstack {

namespace {

constexpr std::size_t LENGTH_BYTES = 2;
// A guest that asks without listening is made to wait.
constexpr std::size_t MAX_WAITING_BYTES = 64 << 10;
constexpr std::size_t MAX_QUERY_BYTES = LENGTH_BYTES + 65535;

std::size_t total_bytes(std::span<const iovec> pieces)
{
  std::size_t total = 0;
  for (const iovec& piece : pieces) {
    total += piece.iov_len;
  }
  return total;
}

} // namespace

Transfer DnsFailureStream::send(std::span<const iovec> pieces)
{
  if (ended_) { // nobody reads on, and what is kept here no ceiling counts
    return {.code = std::make_error_code(std::errc::broken_pipe)};
  }
  if (answers_.size() >= MAX_WAITING_BYTES) {
    return {.would_block = true};
  }
  Transfer taken;
  for (const iovec& piece : pieces) {
    const ByteView bytes(static_cast<const std::uint8_t*>(piece.iov_base), piece.iov_len);
    queries_.insert(queries_.end(), bytes.begin(), bytes.end());
    taken.bytes += bytes.size();
    if (queries_.size() > MAX_QUERY_BYTES) {
      break;
    } // holds a whole query at least
  }
  answer_complete_queries();
  if (ended_) { // the rest is read by nobody, but taken, or the guest would wait
    taken.bytes = total_bytes(pieces);
    queries_.clear();
  }
  events_->on_writable(); // what was not taken now may come at once
  events_->on_readable(false);
  return taken;
}

void DnsFailureStream::answer_complete_queries()
{
  std::size_t done = 0;
  while (!ended_ && queries_.size() - done >= LENGTH_BYTES) {
    Reader reader(ByteView(queries_).subspan(done));
    const std::size_t length = reader.u16();
    const ByteView query = reader.take(length);
    if (reader.failed()) {
      break;
    }
    done += LENGTH_BYTES + length;
    if (!answer(query)) {
      ended_ = true;
    }
  }
  queries_.erase(queries_.begin(), queries_.begin() + static_cast<std::ptrdiff_t>(done));
}

bool DnsFailureStream::answer(ByteView query)
{
  const Parsed<DnsQuery> parsed = DnsQuery::parse(query);
  if (!parsed) {
    return false;
  }
  std::array<std::uint8_t, LENGTH_BYTES + DNS_FAILURE_MAX_BYTES> framed{};
  Writer writer(MutableBytes(framed).subspan(LENGTH_BYTES));
  const std::size_t length = write_dns_failure(writer, *parsed, DnsRcode::server_failure);
  Writer(framed).u16(static_cast<std::uint16_t>(length));
  answers_.insert(answers_.end(),
                  framed.begin(),
                  framed.begin() + static_cast<std::ptrdiff_t>(LENGTH_BYTES + length));
  return true;
}

Transfer DnsFailureStream::peek(MutableBytes bytes)
{
  if (answers_.empty()) {
    return {.would_block = !ended_, .end_of_stream = ended_};
  }
  const std::size_t given = std::min(bytes.size(), answers_.size());
  std::memcpy(bytes.data(), answers_.data(), given);
  return {.bytes = given};
}

Transfer DnsFailureStream::receive(std::span<const iovec> pieces)
{
  if (answers_.empty()) {
    return {.would_block = !ended_, .end_of_stream = ended_};
  }
  std::size_t given = 0;
  for (const iovec& piece : pieces) {
    const std::size_t length = std::min(piece.iov_len, answers_.size() - given);
    std::memcpy(piece.iov_base, answers_.data() + given, length);
    given += length;
  }
  answers_.erase(answers_.begin(), answers_.begin() + static_cast<std::ptrdiff_t>(given));
  if (!answers_.empty() || ended_) {
    events_->on_readable(true);
  } // the end is still to be read
  events_->on_writable();
  return {.bytes = given};
}

void DnsFailureStream::shutdown_send()
{
  ended_ = true;
  events_->on_readable(true);
}

} // namespace slirpstack
