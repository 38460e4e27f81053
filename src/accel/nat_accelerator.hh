#pragma once

#include "accel/nat_object.hh"
#include "base/file_descriptor.hh"

#include <list>
#include <string>

namespace slirpstack {

/// One program on one interface. XDP, and TC where the kernel has tcx (6.6), are held by a
/// descriptor: the kernel detaches them on every kind of exit, SIGKILL too. Older kernels' TC has a
/// filter that only this destructor removes.
class NatAttachment
{
public:
  /// XDP only in the driver: the generic one is slower than no XDP, and stalls where the sender's
  /// checksums are left to the device. Throws std::system_error: EBUSY where another program is,
  /// EOPNOTSUPP where the driver has no XDP.
  NatAttachment(NatHook hook, int program, int ifindex);
  ~NatAttachment();
  NatAttachment(const NatAttachment&) = delete;
  NatAttachment& operator=(const NatAttachment&) = delete;

  [[nodiscard]] int ifindex() const { return ifindex_; }
  /// It stays when this process is killed.
  [[nodiscard]] bool is_filter() const { return is_filter_; }

private:
  void attach_filter(int program);

  int ifindex_;
  bool is_filter_ = false;
  FileDescriptor link_;
};

/// The NAT at work: its programs and maps, and the interfaces that they are attached to. Destroying
/// it detaches all; maps that are pinned keep the bindings for a successor.
class NatAccelerator
{
public:
  /// As NatObject.
  NatAccelerator(NatHook hook, const NatSizes& sizes, const std::string& pin_folder = {});

  /// Each makes the interface one that packets may be sent to, before its own packets are looked
  /// at. Throws std::system_error.
  void attach_guest(int ifindex) { attach("nat_internal", ifindex); }
  void attach_external(int ifindex) { attach("nat_external", ifindex); }
  void attach_tap(int ifindex) { attach("nat_tap", ifindex); }
  /// Takes back what was done to an interface, which may be gone.
  void detach(int ifindex);

  /// Whether any of it would stay when this process is killed.
  [[nodiscard]] bool has_filters() const;

  [[nodiscard]] const NatObject& object() const { return object_; }

private:
  void attach(const char* program, int ifindex);

  NatObject object_;
  std::list<NatAttachment> attachments_;
};

} // namespace slirpstack
