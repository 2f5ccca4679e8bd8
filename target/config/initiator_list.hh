// SPDX-License-Identifier: GPL-2.0-only
//
// InitiatorList: the initiators that an iSNS server allows for one target, and which source of
// access control decides about a login.
//
// chisns asks the server and hands the whole list to the module; a new one takes the place of the
// old one at once, so nobody ever sees half of it. A list belongs to whoever has handed it over
// (its holder) and is forgotten with it. Context: create() runs in process context; everything else
// reads only and may run anywhere.
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "base/own_ptr.hh"
#include "base/ref.hh"
#include "base/text.hh"
#include "target/config/access_list.hh"
#include "target/config/global_settings.hh"
#include "target/config/growable_array.hh"
#include "target/config/message_line.hh"
#include "target/config/target_settings.hh"

namespace chiscsi {

class InitiatorList : public RefCounted<InitiatorList> {
 public:
  static constexpr uint32_t kMaxNames = 8192;

  // The values of all `initiator=` strings in `strings`, each ended by a NUL; other strings are
  // passed over. Names stand in ascending order of their bytes, each once. Errors: kInvalid and
  // kTooBig with a line, kNoMemory.
  static Result<Ref<InitiatorList>> create(unsigned long holder, uint64_t version, Bytes strings,
                                           ConfigError* why);

  unsigned long holder() const { return holder_; }
  uint64_t version() const { return version_; }
  Span<const Text> names() const { return names_.span(); }
  bool has(Text name) const;

 private:
  template <typename T, typename... Args>
  friend OwnPtr<T> make(Alloc mode, Args&&... args);
  InitiatorList(unsigned long holder, uint64_t version) : holder_(holder), version_(version) {}
  Status add(Text name, ConfigError* why);

  const unsigned long holder_;
  const uint64_t version_;
  ConfigText text_;
  GrowableArray<Text> names_;
};

// What access control says to a login.
enum class LoginGrant : uint8_t {
  kRefused,
  kByAcl,   // The ACL is off, or a line of it applies.
  kByIsns,  // The iSNS server's list has the name; the lines may say nothing about it.
};

// Asks the source that decides: the first one, in `order`, that knows the target. The file knows it
// when it has ACL lines, the iSNS server when there is a list (`listed`, else null). Without either
// nobody may log in. Without ACL_Enable everybody may, and nobody is asked.
LoginGrant check_login(const TargetSettings& settings, const InitiatorList* listed,
                       AclSourceOrder order, const AccessSubject& subject);

}  // namespace chiscsi
