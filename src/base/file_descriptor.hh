#pragma once

namespace slirpstack {

/// Owns one file descriptor and closes it.
class FileDescriptor
{
public:
  FileDescriptor() = default;
  /// Takes ownership of `number`; a negative number owns nothing.
  explicit FileDescriptor(int number) : number_(number) {}
  ~FileDescriptor() { reset(); }

  FileDescriptor(FileDescriptor&& other) noexcept : number_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  /// Closes the descriptor now.
  void reset();
  /// Gives ownership away.
  [[nodiscard]] int release();
  /// A second descriptor of the same open file, close-on-exec. Throws std::system_error.
  [[nodiscard]] FileDescriptor duplicate() const;

  [[nodiscard]] int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

private:
  int number_ = -1;
};

} // namespace slirpstack
