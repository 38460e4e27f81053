#pragma once

#include "base/bytes.hh"

#include <algorithm>
#include <memory>
#include <string>

struct http_parser;

namespace slirpstack {

/// Reads one HTTP/1 request (RFC 9112) as its bytes come.
class HttpRequest
{
public:
  enum class State : std::uint8_t
  {
    incomplete,
    complete,
    malformed,
  };

  HttpRequest();
  ~HttpRequest();
  HttpRequest(const HttpRequest&) = delete;
  HttpRequest& operator=(const HttpRequest&) = delete;
  HttpRequest(HttpRequest&&) = delete;
  HttpRequest& operator=(HttpRequest&&) = delete;

  /// More bytes of the connection. What follows a complete request is ignored.
  State feed(ByteView bytes);
  /// Once it is complete: GET or HEAD; the path without its query.
  [[nodiscard]] bool is_get() const;
  [[nodiscard]] bool is_head() const;
  [[nodiscard]] const std::string& path() const { return path_; }

private:
  struct Callbacks;

  std::unique_ptr<http_parser> parser_;
  std::string path_;
  std::size_t fed_bytes_ = 0;
  bool complete_ = false;
};

} // namespace slirpstack
