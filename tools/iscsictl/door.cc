// SPDX-License-Identifier: GPL-2.0-only
//
// See door.hh.
#include "door.hh"

#include <fcntl.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/chiscsi_control.h"
#include "isns/wake.hh"

namespace iscsictl {

namespace {

constexpr size_t kFirstRoom = 64 * 1024;
// The list may grow between two calls; so often it does not.
constexpr int kMaxTries = 8;

Reply failure(int error, std::string why) {
  Reply reply;
  reply.error = error;
  reply.why = std::move(why);
  return reply;
}

// What an iSNS server is to hear of.
bool changes_targets(unsigned op) {
  return op == CHISCSI_CONTROL_TARGET_START || op == CHISCSI_CONTROL_TARGET_STOP;
}

// Output may hold secrets (CHISCSI_CONTROL_SECRETS), and so may input.
class WipedText {
 public:
  explicit WipedText(size_t size) : text_(size, '\0') {}
  ~WipedText() { explicit_bzero(text_.data(), text_.size()); }
  char* data() { return text_.data(); }
  size_t size() const { return text_.size(); }

 private:
  std::string text_;
};

}  // namespace

std::string_view Record::get(std::string_view key) const {
  for (const auto& [name, value] : fields) {
    if (name == key) return value;
  }
  return {};
}

bool Record::has(std::string_view key) const {
  for (const auto& field : fields) {
    if (field.first == key) return true;
  }
  return false;
}

std::vector<Record> parse_records(std::string_view text) {
  std::vector<Record> records;
  Record record;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    const size_t equals = line.find('=');
    if (equals != line.npos) {
      record.fields.emplace_back(line.substr(0, equals), line.substr(equals + 1));
    } else if (line.empty() && !record.fields.empty()) {
      records.push_back(std::move(record));
      record = {};
    }
  }
  if (!record.fields.empty()) records.push_back(std::move(record));
  return records;
}

KernelDoor::~KernelDoor() {
  if (fd_ >= 0) close(fd_);
}

Door::State KernelDoor::state() {
  if (fd_ >= 0) return State::kOpen;
  fd_ = open(CHISCSI_CONTROL_DEVICE, O_RDWR | O_CLOEXEC);
  if (fd_ >= 0) return State::kOpen;
  if (errno == ENOENT || errno == ENXIO || errno == ENODEV) return State::kNotLoaded;
  return errno == EACCES || errno == EPERM ? State::kNotPermitted : State::kBroken;
}

Reply KernelDoor::ask(unsigned op, const Keys& keys, unsigned flags) {
  size_t size = 0;
  for (const std::string& key : keys)
    size += key.size() + 1;
  WipedText buffer(size);
  char* end = buffer.data();
  for (const std::string& key : keys) {
    memcpy(end, key.c_str(), key.size() + 1);
    end += key.size() + 1;
  }
  return ask_raw(op, {buffer.data(), size}, flags);
}

Reply KernelDoor::ask_raw(unsigned op, std::string_view buffer, unsigned flags) {
  if (state() != State::kOpen) return failure(errno, CHISCSI_CONTROL_DEVICE);
  if (buffer.size() > CHISCSI_CONTROL_MAX_INPUT) return failure(E2BIG, "too many keys");
  size_t room = kFirstRoom;
  for (int i = 0; i < kMaxTries; ++i) {
    WipedText out(room);
    chiscsi_control request = {};
    request.size = sizeof(request);
    request.version = CHISCSI_CONTROL_VERSION;
    request.op = op;
    request.flags = flags;
    request.in = reinterpret_cast<uintptr_t>(buffer.data());
    request.in_size = static_cast<unsigned>(buffer.size());
    request.out = reinterpret_cast<uintptr_t>(out.data());
    request.out_size = static_cast<unsigned>(out.size());
    if (ioctl(fd_, CHISCSI_CONTROL, &request) == 0) {
      Reply reply;
      const size_t used = request.out_used < out.size() ? request.out_used : out.size();
      reply.records = parse_records({out.data(), used});
      if (changes_targets(op)) isns::wake();
      return reply;
    }
    const int error = errno;
    if (error != ENOSPC || request.out_used <= room) {
      return failure(error, {request.error, strnlen(request.error, sizeof(request.error))});
    }
    room = request.out_used + request.out_used / 4;
    if (room > CHISCSI_CONTROL_MAX_OUTPUT) room = CHISCSI_CONTROL_MAX_OUTPUT;
  }
  return failure(ENOSPC, "the answer grows faster than it can be read");
}

bool KernelDoor::load_module(std::string* why) {
  if (geteuid() != 0) {
    *why = "only root can load chiscsi.ko";
    return false;
  }
  const char* const arguments[] = {"modprobe", "chiscsi", nullptr};
  const char* const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", nullptr};
  pid_t child = 0;
  int status = -1;
  int error = ENOENT;
  for (const char* program : {"/sbin/modprobe", "/usr/sbin/modprobe"}) {
    error = posix_spawn(&child, program, nullptr, nullptr, const_cast<char* const*>(arguments),
                        const_cast<char* const*>(environment));
    if (error == 0) break;
  }
  if (error != 0) {
    *why = std::string("cannot run modprobe: ") + strerror(error);
    return false;
  }
  pid_t ended = -1;
  do {
    ended = waitpid(child, &status, 0);
  } while (ended < 0 && errno == EINTR);
  // Where SIGCHLD is ignored nobody learns how it ended, and the device tells.
  const bool is_unknown = ended < 0 && errno == ECHILD;
  if (!is_unknown && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
    *why = "modprobe could not load chiscsi.ko";
    return false;
  }
  if (state() == State::kOpen) return true;
  *why = std::string("chiscsi.ko is loaded, but " CHISCSI_CONTROL_DEVICE ": ") + strerror(errno);
  return false;
}

}  // namespace iscsictl
