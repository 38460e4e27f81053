#pragma once

#include "host/uv_unique.hh"

#include <system_error>
#include <uv.h>

namespace slirpstack {

/// The libuv view of any handle.
template<typename Handle>
uv_handle_t* base_handle(Handle* handle)
{
  return reinterpret_cast<uv_handle_t*>(handle);
}

template<typename Node>
void UvClose<Node>::operator()(Node* node) const noexcept
{
  node->handle.data = node;
  uv_close(base_handle(&node->handle),
           [](uv_handle_t* handle) { delete static_cast<Node*>(handle->data); });
}

/// Makes a Node whose handle is initialised by `init(handle)`. A handle that libuv refused must
/// not be closed, so it becomes a uv_unique only afterwards. Throws std::system_error.
template<typename Node, typename Init>
uv_unique<Node> make_uv_unique(const char* attempt, Node&& value, Init init)
{
  auto node = std::make_unique<Node>(std::forward<Node>(value));
  if (const int status = init(&node->handle); status < 0) {
    throw std::system_error(-status, std::generic_category(), attempt);
  }
  node->handle.data = node.get();
  return uv_unique<Node>(node.release());
}

/// Throws std::system_error for a negative libuv status.
inline void uv_call(const char* attempt, int status)
{
  if (status < 0) {
    throw std::system_error(-status, std::generic_category(), attempt);
  }
}

} // namespace slirpstack
