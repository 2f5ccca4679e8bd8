// SPDX-License-Identifier: GPL-2.0-only
//
// -W: the globals in force and the active targets as a configuration file.
//
// The file is replaced at one go: a temporary one beside it, fsync, rename. What it held before is
// kept as FILE.bak. The text has to pass the parser before it gets that far. Writers of one folder
// wait for each other at a lock on the folder itself, which leaves nothing behind.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "commands.hh"
#include "common/chiscsi_control.h"
#include "config_source.hh"

namespace iscsictl {

namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(); }
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  bool reset() {
    const bool ok = fd_ < 0 || close(fd_) == 0;
    fd_ = -1;
    return ok;
  }

 private:
  int fd_;
};

// PROD= is for people; the parser does not know it.
std::string without_product(std::string_view line) {
  std::string kept;
  for (bool first = true; !line.empty() || first; first = false) {
    const size_t comma = line.find(',');
    const std::string_view field = line.substr(0, comma);
    if (field.substr(0, 5) != "PROD=") kept.append(first ? "" : ",").append(field);
    if (comma == line.npos) break;
    line.remove_prefix(comma + 1);
  }
  return kept;
}

void add_block(const Record& record, std::string* text) {
  for (const auto& [key, value] : record.fields) {
    *text += "    " + key + '=';
    *text += (key == "TargetDevice" ? without_product(value) : value) + '\n';
  }
}

bool add_targets(Context& context, std::string* text) {
  const Reply list = context.door.ask(CHISCSI_CONTROL_TARGET_LIST);
  if (!list.is_ok()) {
    context.refuse("the list of targets", list);
    return false;
  }
  for (const Record& target : list.records) {
    const std::string name(target.get("target"));
    // What a storage driver has started, it starts again.
    if (target.get("owner") == "driver") continue;
    const Reply config = context.door.ask(CHISCSI_CONTROL_TARGET_CONFIG, {"target=" + name},
                                          CHISCSI_CONTROL_SECRETS);
    if (config.error == ENOENT) continue;
    if (!config.is_ok() || config.records.empty()) {
      context.refuse(name, config);
      return false;
    }
    *text += "\ntarget:\n";
    add_block(config.records.front(), text);
  }
  return true;
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t done = write(fd, text.data(), text.size());
    if (done < 0 && errno != EINTR) return false;
    if (done > 0) text.remove_prefix(static_cast<size_t>(done));
  }
  return fsync(fd) == 0;
}

// Where the text goes: a symbolic link stays one.
std::string real_path(const std::string& path) {
  char buffer[PATH_MAX];
  return realpath(path.c_str(), buffer) == nullptr ? path : buffer;
}

// A name beside `path` that was free a moment ago; the file is there when `fd` is wanted.
int make_temporary(const std::string& path, std::string* name) {
  *name = path + ".XXXXXX";
  return mkostemp(name->data(), O_CLOEXEC);
}

// FILE.bak becomes what FILE is now, at one go.
bool keep_old(const std::string& path) {
  std::string name;
  Descriptor made(make_temporary(path, &name));
  if (!made.is_open() || unlink(name.c_str()) != 0) return false;
  if (link(path.c_str(), name.c_str()) != 0) return errno == ENOENT;
  if (rename(name.c_str(), (path + ".bak").c_str()) == 0) {
    // Where both are one file already, rename() leaves both names.
    return unlink(name.c_str()) == 0 || errno == ENOENT;
  }
  const int error = errno;
  unlink(name.c_str());
  errno = error;
  return false;
}

// 0 or an errno number.
int replace_file(const std::string& path, std::string_view text) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == path.npos ? "." : path.substr(0, slash + 1);
  Descriptor lock(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock.is_open() || flock(lock.get(), LOCK_EX) != 0) return errno;
  std::string name;
  Descriptor fresh(make_temporary(path, &name));  // Mode 0600.
  if (!fresh.is_open()) return errno;
  struct stat old = {};
  bool ok = true;
  if (stat(path.c_str(), &old) == 0) {
    // Its owner and mode stay.
    ok = fchown(fresh.get(), old.st_uid, old.st_gid) == 0 &&
         fchmod(fresh.get(), old.st_mode & 07777) == 0;
  }
  ok = ok && write_all(fresh.get(), text) && fresh.reset() && keep_old(path) &&
       rename(name.c_str(), path.c_str()) == 0;
  if (ok) return fsync(lock.get()) == 0 ? 0 : errno;
  const int error = errno;
  unlink(name.c_str());
  return error;
}

// Wiped when it goes: it holds secrets.
struct SecretText {
  std::string text;
  ~SecretText() { explicit_bzero(text.data(), text.size()); }
};

}  // namespace

int write_file(const Options& options, Context& context) {
  int status = kDone;
  if (!can_ask(context, false, &status)) return status;
  const Reply globals = context.door.ask(CHISCSI_CONTROL_GLOBAL_GET, {}, CHISCSI_CONTROL_SECRETS);
  if (!globals.is_ok()) return context.refuse("the globals", globals);
  SecretText file;
  file.text.reserve(256 * 1024);
  file.text = "# Written by iscsictl -W; see chiscsi.conf(5).\nglobal:\n";
  if (!globals.records.empty()) add_block(globals.records.front(), &file.text);
  if (!add_targets(context, &file.text)) return kRefused;
  ConfigSource check;
  if (!check.parse(file.text, *options.file + " as it would be", context)) return kRefused;
  if (check.file().error_count() != 0) {
    check.tell_problems(context, false);
    return context.refuse(*options.file +
                          ": what is active does not read back; nothing is written");
  }
  const std::string path = real_path(*options.file);
  const int error = replace_file(path, file.text);
  return error == 0 ? kDone : context.refuse(path + ": " + strerror(error));
}

}  // namespace iscsictl
