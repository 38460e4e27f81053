#include "control/http_request.hh"

#include <http_parser.h>

namespace slirpstack {

namespace {

// Headers of any honest client, with room.
constexpr std::size_t MAX_BYTES = 16 << 10;

} // namespace

struct HttpRequest::Callbacks
{
  static int on_url(http_parser* parser, const char* text, std::size_t length) noexcept
  {
    static_cast<HttpRequest*>(parser->data)->path_.append(text, length);
    return 0;
  }
  static int on_complete(http_parser* parser) noexcept
  {
    static_cast<HttpRequest*>(parser->data)->complete_ = true;
    ::http_parser_pause(parser, 1); // a pipelined request gets no answer
    return 0;
  }
  static const http_parser_settings& settings()
  {
    static const http_parser_settings all = [] {
      http_parser_settings made;
      ::http_parser_settings_init(&made);
      made.on_url = on_url;
      made.on_message_complete = on_complete;
      return made;
    }();
    return all;
  }
};

HttpRequest::HttpRequest() : parser_(std::make_unique<http_parser>())
{
  ::http_parser_init(parser_.get(), HTTP_REQUEST);
  parser_->data = this;
}

HttpRequest::~HttpRequest() = default;

HttpRequest::State HttpRequest::feed(ByteView bytes)
{
  if (complete_) {
    return State::complete;
  }
  fed_bytes_ += bytes.size();
  ::http_parser_execute(parser_.get(),
                        &Callbacks::settings(),
                        reinterpret_cast<const char*>(bytes.data()),
                        bytes.size());
  if (complete_) {
    path_.resize(std::min(path_.find('?'), path_.size()));
    return State::complete;
  }
  const bool failed = HTTP_PARSER_ERRNO(parser_.get()) != HPE_OK || parser_->upgrade != 0;
  return failed || fed_bytes_ > MAX_BYTES ? State::malformed : State::incomplete;
}

bool HttpRequest::is_get() const
{
  return parser_->method == HTTP_GET;
}

bool HttpRequest::is_head() const
{
  return parser_->method == HTTP_HEAD;
}

} // namespace slirpstack
