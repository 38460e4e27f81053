#include "control/client.hh"

#include "base/error.hh"
#include "base/file_descriptor.hh"
#include "control/answer_text.hh"
#include "control/map_file.hh"
#include "host/unix_address.hh"

#include <array>
#include <cstdlib>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

namespace slirpstack {

namespace {

std::string control_path(const std::string& given)
{
  const char* const from_environment = std::getenv("SLIRPSTACK_CONTROL");
  if (!given.empty()) {
    return given;
  }
  return from_environment != nullptr ? from_environment : std::string(DEFAULT_CONTROL_PATH);
}

/// The batch that removes what the one in a file adds.
std::string removing(const std::string& path)
{
  std::string text;
  for (const MapEdit& edit : read_map_edits(path)) {
    if (edit.kind == MapEdit::Kind::add) {
      text += fmt::format("del {} {}\n", edit.mapping.interface, edit.mapping.internal.to_string());
    }
  }
  return text;
}

/// Puts in what the request only names.
void complete(Request& request)
{
  if (auto* const batch = std::get_if<BatchMap>(&request)) {
    batch->text = batch->deletes ? removing(batch->file) : read_map_file(batch->file);
  }
}

FileDescriptor connect(const std::string& path)
{
  const auto address = UnixAddress::of({path});
  if (!address) {
    throw UsageError(fmt::format(
      "control socket \"{}\": a path of 1 to {} bytes", path, sizeof(sockaddr_un::sun_path) - 1));
  }
  FileDescriptor descriptor(
    system_call("make a socket", ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)));
  system_call(fmt::format("reach the control socket {}", path),
              ::connect(descriptor.get(), address->data(), address->size()));
  return descriptor;
}

void send_all(int descriptor, std::string_view text)
{
  while (!text.empty()) {
    const auto sent
      = system_call("send the request", ::send(descriptor, text.data(), text.size(), MSG_NOSIGNAL));
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string receive_line(int descriptor)
{
  std::string line;
  std::array<char, 65536> piece{};
  while (line.find('\n') == std::string::npos) {
    const auto length
      = system_call("receive the answer", ::recv(descriptor, piece.data(), piece.size(), 0));
    if (length == 0) {
      throw std::runtime_error("the control socket was closed without an answer");
    }
    line.append(piece.data(), static_cast<std::size_t>(length));
  }
  return line.substr(0, line.find('\n'));
}

Request request_of(std::span<const std::string> words)
{
  try {
    return parse_request_words(words);
  } catch (const RequestError& error) {
    throw UsageError(error.what());
  }
}

} // namespace

int run_control_client(std::span<const std::string> arguments, std::string_view program)
{
  if (arguments.empty()) {
    throw UsageError("usage: slirpstack ctl PATH forward|rules|explain|flows|statistics|map …");
  }
  Request request = request_of(arguments.subspan(1));
  complete(request);
  const FileDescriptor socket = connect(control_path(arguments.front()));
  send_all(socket.get(), serialize(request) + '\n');
  const AnswerText answer = answer_text(request, receive_line(socket.get()));
  fmt::print("{}", answer.text);
  if (!answer.error.empty()) {
    fmt::print(stderr, "{}: {}\n", program, answer.error);
  }
  return answer.exit_status;
}

} // namespace slirpstack
