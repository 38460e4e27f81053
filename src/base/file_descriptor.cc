#include "base/file_descriptor.hh"

#include "base/error.hh"

#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace slirpstack {

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept
{
  if (this != &other) {
    reset();
    number_ = other.release();
  }
  return *this;
}

void FileDescriptor::reset()
{
  // On Linux the descriptor is gone even when close() fails with EINTR; never close it twice.
  if (number_ >= 0) {
    ::close(std::exchange(number_, -1));
  }
}

int FileDescriptor::release()
{
  return std::exchange(number_, -1);
}

FileDescriptor FileDescriptor::duplicate() const
{
  return FileDescriptor(
    system_call("duplicate a descriptor", ::fcntl(number_, F_DUPFD_CLOEXEC, 0)));
}

} // namespace slirpstack
