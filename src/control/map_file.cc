#include "control/map_file.hh"

#include "base/error.hh"
#include "base/file_descriptor.hh"
#include "control/control_socket.hh"

#include <array>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace slirpstack {

std::string read_map_file(const std::string& path)
{
  const FileDescriptor file(
    system_call(fmt::format("open {}", path),
                path == "-" ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
  std::string text;
  std::array<char, 65536> piece{};
  for (;;) {
    const auto length
      = system_call(fmt::format("read {}", path), ::read(file.get(), piece.data(), piece.size()));
    if (length == 0) {
      return text;
    }
    text.append(piece.data(), static_cast<std::size_t>(length));
    if (text.size() > ControlSocket::MAX_REQUEST_BYTES) {
      throw UsageError(
        fmt::format("{}: a batch has at most {} bytes", path, ControlSocket::MAX_REQUEST_BYTES));
    }
  }
}

std::vector<MapEdit> read_map_edits(const std::string& path)
{
  try {
    return parse_map_batch(read_map_file(path));
  } catch (const std::system_error& error) { // it was named on the command line
    throw UsageError(fmt::format("cannot {}", error.what()));
  } catch (const MappingError& error) {
    throw UsageError(fmt::format("{}: {}", path, error.what()));
  }
}

} // namespace slirpstack
