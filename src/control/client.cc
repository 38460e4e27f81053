#include "control/client.hh"

#include "base/error.hh"
#include "base/file_descriptor.hh"
#include "control/answer_text.hh"
#include "control/map_file.hh"
#include "control/usage.hh"
#include "host/unix_address.hh"

#include <algorithm>
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

/// `ctl -h`, or `ctl SOCKET -h`. A socket of such a name is written ./help.
bool asks_for_help(std::span<const std::string> arguments)
{
  constexpr std::array<std::string_view, 4> WORDS{"help", "-h", "-help", "--help"};
  const auto is_help
    = [&](const std::string& word) { return std::ranges::find(WORDS, word) != WORDS.end(); };
  return (!arguments.empty() && is_help(arguments[0]))
         || (arguments.size() == 2 && is_help(arguments[1]));
}

void check_socket_word(std::span<const std::string> arguments)
{
  if (arguments.empty()) {
    throw UsageError(
      fmt::format("usage: {} COMMAND… (slirpstack ctl -h lists them)", CONTROL_PROGRAM));
  }
  const bool has_command = arguments.size() > 1 && is_command_noun(arguments[1]);
  if (is_command_noun(arguments[0]) && !has_command) {
    throw UsageError(fmt::format(
      "the first word after ctl is the socket: {} {}", CONTROL_PROGRAM, fmt::join(arguments, " ")));
  }
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
  if (asks_for_help(arguments)) {
    fmt::print("{}", control_help());
    return 0;
  }
  check_socket_word(arguments);
  Request request = request_of(arguments.subspan(1));
  complete(request);
  const FileDescriptor socket = connect(control_path(arguments.front()));
  send_all(socket.get(), serialize(request) + '\n');
  const AnswerText answer = answer_text(request, receive_line(socket.get()));
  fmt::print("{}", answer.text);
  for (const std::string& warning : answer.warnings) {
    fmt::print(stderr, "{}: warning: {}\n", program, warning);
  }
  if (!answer.error.empty()) {
    fmt::print(stderr, "{}: {}\n", program, answer.error);
  }
  return answer.exit_status;
}

} // namespace slirpstack
