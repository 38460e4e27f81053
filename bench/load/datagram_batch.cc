#include "load/datagram_batch.hh"

#include "base/error.hh"

#include <cstring>

namespace slirpstack::bench {

DatagramBatch::DatagramBatch(std::size_t datagram_bytes) : datagram_bytes_(datagram_bytes)
{
  if (datagram_bytes < sizeof(Sequence)) {
    throw UsageError("a datagram has at least 8 bytes, for its number");
  }
  bytes_.resize(BATCH * (datagram_bytes + 1), 'd');
  for (std::size_t i = 0; i < BATCH; ++i) {
    pieces_[i] = {.iov_base = &bytes_[i * (datagram_bytes + 1)], .iov_len = datagram_bytes};
    messages_[i].msg_hdr.msg_iov = &pieces_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
  }
}

void DatagramBatch::expect_any_size()
{
  for (iovec& piece : pieces_) {
    piece.iov_len = datagram_bytes_ + 1;
  }
}

void DatagramBatch::number(std::size_t index, Sequence sequence)
{
  std::memcpy(pieces_[index].iov_base, &sequence, sizeof sequence);
}

Sequence DatagramBatch::sequence_of(std::size_t index) const
{
  Sequence sequence = 0;
  std::memcpy(&sequence, pieces_[index].iov_base, sizeof sequence);
  return sequence;
}

bool DatagramBatch::is_whole(std::size_t index) const
{
  return messages_[index].msg_len == datagram_bytes_;
}

} // namespace slirpstack::bench
