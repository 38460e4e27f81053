#pragma once

#include "base/file_descriptor.hh"
#include "wire/address.hh"

#include <array>
#include <functional>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <string>
#include <system_error>

namespace slirpstack {

/// One rtnetlink request, rtnetlink(7). Built front to back: the header of its type first, then
/// attributes. It must stay below 512 bytes, which everything here does by far.
class RouteRequest
{
public:
  /// `type` is RTM_…; `flags` are NLM_F_… beside NLM_F_REQUEST.
  RouteRequest(unsigned type, unsigned flags);
  /// The fixed part (ifinfomsg, ifaddrmsg, rtmsg), zeroed, to be filled in.
  template<typename Header>
  Header& body()
  {
    return *static_cast<Header*>(mnl_nlmsg_put_extra_header(&header(), sizeof(Header)));
  }

  void put(unsigned attribute, std::uint32_t value);
  void put(unsigned attribute, const std::string& text);
  /// An IP or Ethernet address, network order.
  void put(unsigned attribute, ByteView bytes);

  [[nodiscard]] nlmsghdr& header() { return *reinterpret_cast<nlmsghdr*>(buffer_.data()); }

private:
  alignas(nlmsghdr) std::array<char, 512> buffer_{};
};

/// The attributes of one message, by their type. An absent one is null.
template<unsigned Max>
class Attributes
{
public:
  /// `offset_bytes`: the size of the fixed part before the attributes.
  Attributes(const nlmsghdr& message, unsigned offset_bytes)
  {
    mnl_attr_parse(&message, offset_bytes, collect, this);
  }
  explicit Attributes(const nlattr* nested) { mnl_attr_parse_nested(nested, collect, this); }

  const nlattr* operator[](unsigned type) const { return found_[type]; }
  [[nodiscard]] std::uint32_t u32(unsigned type) const
  {
    const nlattr* const attribute = found_[type];
    return attribute != nullptr && mnl_attr_get_payload_len(attribute) >= sizeof(std::uint32_t)
             ? mnl_attr_get_u32(attribute)
             : 0;
  }
  [[nodiscard]] std::uint8_t u8(unsigned type) const
  {
    const nlattr* const attribute = found_[type];
    return attribute != nullptr && mnl_attr_get_payload_len(attribute) >= 1
             ? mnl_attr_get_u8(attribute)
             : 0;
  }
  /// Empty if absent.
  [[nodiscard]] ByteView bytes(unsigned type) const
  {
    const nlattr* const attribute = found_[type];
    if (attribute == nullptr) {
      return {};
    }
    return {static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute)),
            mnl_attr_get_payload_len(attribute)};
  }

private:
  static int collect(const nlattr* attribute, void* self) noexcept
  {
    const unsigned type = mnl_attr_get_type(attribute);
    if (type <= Max) {
      static_cast<Attributes*>(self)->found_[type] = attribute;
    }
    return MNL_CB_OK;
  }

  std::array<const nlattr*, Max + 1> found_{};
};

/// An rtnetlink socket of the network namespace that the process was in when it was made; it
/// stays with that namespace. Blocking.
class RouteSocket
{
public:
  using OnMessage = std::function<void(const nlmsghdr&)>;

  /// Throws std::system_error.
  RouteSocket();

  /// Sends `request` and calls `on_message` for each answer until the kernel has acknowledged it
  /// or ended the dump. The kernel's refusal is returned; a broken socket throws.
  [[nodiscard]] std::error_code transact(RouteRequest& request, const OnMessage& on_message = {});

private:
  FileDescriptor socket_;
  unsigned port_id_ = 0;
  unsigned sequence_ = 0;
};

} // namespace slirpstack
