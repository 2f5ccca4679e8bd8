// SPDX-License-Identifier: GPL-2.0-only
//
// Door: the one way from iscsictl to the module, and what comes back through it.
//
// Everything above asks a Door, so that tests put another one in its place. KernelDoor is the real
// one: /dev/chiscsi and its ioctl (include/common/chiscsi_control.h). It opens the device when it
// is first asked and loads no module unless it is told to.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace iscsictl {

// One record of the module's output: keys in their order, some of them more than once.
struct Record {
  std::vector<std::pair<std::string, std::string>> fields;
  // The first value of `key`, or an empty text.
  std::string_view get(std::string_view key) const;
  bool has(std::string_view key) const;
  // What kind of record it is: the name of its first field.
  std::string_view kind() const { return fields.empty() ? std::string_view() : fields[0].first; }
};

// Lines `key=value`; an empty line ends a record.
std::vector<Record> parse_records(std::string_view text);

struct Reply {
  int error = 0;    // An errno number; 0 is success.
  std::string why;  // What the module says about an error.
  std::vector<Record> records;
  bool is_ok() const { return error == 0; }
};

// Keys for the module, each `key=value`.
using Keys = std::vector<std::string>;

class Door {
 public:
  enum class State { kOpen, kNotLoaded, kNotPermitted, kBroken };
  virtual ~Door() = default;
  virtual State state() = 0;
  virtual Reply ask(unsigned op, const Keys& keys = {}, unsigned flags = 0) = 0;
  // The same for keys that are one buffer already, each ended by a NUL byte.
  virtual Reply ask_raw(unsigned op, std::string_view buffer, unsigned flags) = 0;
  // Loads chiscsi.ko and what it needs. False with the reason in `why`.
  virtual bool load_module(std::string* why) = 0;
};

class KernelDoor : public Door {
 public:
  KernelDoor() = default;
  KernelDoor(const KernelDoor&) = delete;
  KernelDoor& operator=(const KernelDoor&) = delete;
  ~KernelDoor() override;
  State state() override;
  Reply ask(unsigned op, const Keys& keys, unsigned flags) override;
  Reply ask_raw(unsigned op, std::string_view buffer, unsigned flags) override;
  bool load_module(std::string* why) override;

 private:
  int fd_ = -1;
};

}  // namespace iscsictl
