#pragma once

#include "base/clock.hh"
#include "base/file_descriptor.hh"

#include <cstdint>
#include <string_view>
#include <sys/socket.h>

namespace slirpstack::bench {

/// An IPv4 or IPv6 address and port in the kernel's form.
class SocketAddress
{
public:
  /// An address that a receiving call fills in.
  SocketAddress() = default;
  /// `192.0.2.10` or `2001:db8::10`, and a port in decimal. Throws UsageError.
  SocketAddress(std::string_view address, std::string_view port);

  [[nodiscard]] int family() const { return storage_.ss_family; }
  [[nodiscard]] sockaddr* data();
  [[nodiscard]] const sockaddr* data() const;
  [[nodiscard]] socklen_t size() const { return size_; }
  /// The length that a receiving call reported.
  void resize(socklen_t size) { size_ = size; }

private:
  sockaddr_storage storage_{};
  socklen_t size_ = sizeof(sockaddr_storage);
};

/// A connected TCP socket without Nagle's delay; blocks. Throws std::system_error.
FileDescriptor connect_to(const SocketAddress& target);

/// A non-blocking TCP socket that is connecting, without Nagle's delay. A refusal that connect()
/// reports at once throws std::system_error; later ones stand in SO_ERROR.
FileDescriptor start_connecting(const SocketAddress& target);

/// A non-blocking listening TCP socket. Throws std::system_error.
FileDescriptor listen_on(const SocketAddress& address);

/// A UDP socket with a receive buffer of several megabytes, so that a busy receiver is not the one
/// who loses datagrams. Throws std::system_error.
FileDescriptor datagram_socket(int family);

void bind_to(const FileDescriptor& socket, const SocketAddress& address);

/// Lets receiving calls fail with EAGAIN after `limit`.
void limit_receive(const FileDescriptor& socket, Duration limit);

/// The error of a connect() that ended in the background; 0 is success.
int pending_error(const FileDescriptor& socket);

/// Tells the program that started us that the socket is open: one line on standard output.
void announce_ready();

} // namespace slirpstack::bench
