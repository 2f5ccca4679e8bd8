// SPDX-License-Identifier: GPL-2.0-only
//
// -W: the globals in force and the active targets as a configuration file.
//
// What is there and is no regular file is refused: a device would become a file. So is what others
// than root and the caller have put there, a file or a symbolic link on the way to it: they would
// own the secrets, or choose what is replaced. With secrets in it nobody but its owner may read the
// file, whatever its mode was.
//
// The file is replaced at one go: a temporary one beside it, fsync, rename. What it held before is
// kept as FILE.bak, for its owner alone. The text has to pass the parser before it gets that far.
// Writers of one folder wait for each other at a lock on the folder itself, which leaves nothing
// behind.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <optional>

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

// Wiped when it goes: it holds secrets.
struct SecretReply {
  Reply reply;
  ~SecretReply() {
    for (Record& record : reply.records) {
      for (auto& [key, value] : record.fields)
        explicit_bzero(value.data(), value.size());
    }
  }
};

// Nothing is put together elsewhere: a secret would stay there.
void add_block(const Record& record, std::string* text) {
  for (const auto& [key, value] : record.fields)
    text->append("    ").append(key).append("=").append(value).append("\n");
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
    const SecretReply answer{context.door.ask(CHISCSI_CONTROL_TARGET_CONFIG, {"target=" + name},
                                              CHISCSI_CONTROL_SECRETS)};
    const Reply& config = answer.reply;
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

bool is_trusted(uid_t owner) { return owner == 0 || owner == geteuid(); }

std::string user(uid_t id) { return "user " + std::to_string(id); }

// Walks along a path, one component after the other, as the kernel does.
class PathWalk {
 public:
  // Where the text goes: a symbolic link stays one. What leads nowhere is taken as it is. False
  // with a line in why() at a link of a stranger.
  bool find(const std::string& path) {
    found_ = path;
    std::string folder = path.starts_with('/') ? "/" : "", last, left = path;
    for (int links = 0; !left.empty();) {
      const std::string next = take_component(&left);
      if (next.empty() || next == ".") continue;
      if (!last.empty()) folder += last + "/";
      last = next;
      struct stat facts = {};
      if (lstat((folder + last).c_str(), &facts) != 0) return true;
      if (!S_ISLNK(facts.st_mode)) continue;
      std::string goal;
      if (!follow(folder + last, facts, &goal)) return false;
      if (goal.empty() || ++links > kMaxLinks) return true;
      if (goal.starts_with('/')) folder = "/";
      left = goal + "/" + left;
      last.clear();
    }
    // Of a file with a slash behind it the kernel says what is wrong.
    if (!path.ends_with('/')) found_ = folder + last;
    return true;
  }
  const std::string& found() const { return found_; }
  const std::string& why() const { return why_; }

 private:
  static constexpr int kMaxLinks = 40;
  static std::string take_component(std::string* left) {
    const size_t slash = left->find('/');
    const std::string component = left->substr(0, slash);
    left->erase(0, slash == left->npos ? slash : slash + 1);
    return component;
  }
  bool follow(const std::string& link, const struct stat& facts, std::string* goal) {
    if (!is_trusted(facts.st_uid)) {
      why_ = link + ": is a symbolic link of " + user(facts.st_uid);
      return false;
    }
    char buffer[PATH_MAX];
    const ssize_t size = readlink(link.c_str(), buffer, sizeof(buffer));
    if (size > 0) goal->assign(buffer, static_cast<size_t>(size));
    return true;
  }
  std::string found_, why_;
};

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

// The owner and the mode of the file that was there. False with errno set.
bool take_over_rights(int fresh, const struct stat& old, bool has_secrets) {
  const mode_t allowed = has_secrets ? 0700 : 07777;
  return fchown(fresh, old.st_uid, old.st_gid) == 0 && fchmod(fresh, old.st_mode & allowed) == 0;
}

// What stands at a path before it is replaced, by whoever has put it there.
class OldFile {
 public:
  // False with the reason in why(), when it has to stay.
  bool look(const std::string& path) {
    is_there_ = lstat(path.c_str(), &facts_) == 0;
    if (!is_there_) return errno == ENOENT || because(strerror(errno));
    if (!S_ISREG(facts_.st_mode)) return because("is there and is not a regular file");
    if (!is_trusted(facts_.st_uid))
      return because("belongs to " + user(facts_.st_uid) + ", who would own what is written");
    file_.emplace(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat opened = {};
    if (!file_->is_open() || fstat(file_->get(), &opened) != 0) return because(strerror(errno));
    if (opened.st_dev != facts_.st_dev || opened.st_ino != facts_.st_ino)
      return because(strerror(EBUSY));
    return true;
  }
  bool is_there() const { return is_there_; }
  const struct stat& facts() const { return facts_; }
  const std::string& why() const { return why_; }
  // Nobody but its owner has a right to it any more. False with errno set.
  bool make_private() { return !is_there_ || fchmod(file_->get(), facts_.st_mode & 0700) == 0; }

 private:
  bool because(std::string why) {
    why_ = std::move(why);
    return false;
  }
  bool is_there_ = false;
  struct stat facts_ = {};
  std::optional<Descriptor> file_;
  std::string why_;
};

// Nothing, or why the file is not as it should be.
std::string replace_file(const std::string& path, std::string_view text, bool has_secrets) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == path.npos ? "." : path.substr(0, slash + 1);
  Descriptor lock(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock.is_open() || flock(lock.get(), LOCK_EX) != 0) return strerror(errno);
  OldFile old;
  if (!old.look(path)) return old.why();
  std::string name;
  Descriptor fresh(make_temporary(path, &name));  // Mode 0600.
  if (!fresh.is_open()) return strerror(errno);
  const bool ok = (!old.is_there() || take_over_rights(fresh.get(), old.facts(), has_secrets)) &&
                  write_all(fresh.get(), text) && fresh.reset() && keep_old(path) &&
                  rename(name.c_str(), path.c_str()) == 0;
  if (!ok) {
    const int error = errno;
    unlink(name.c_str());
    return strerror(error);
  }
  // Not before: until now it had the name of the file as well.
  return old.make_private() && fsync(lock.get()) == 0 ? "" : strerror(errno);
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
  const SecretReply answer{
      context.door.ask(CHISCSI_CONTROL_GLOBAL_GET, {}, CHISCSI_CONTROL_SECRETS)};
  const Reply& globals = answer.reply;
  if (!globals.is_ok()) return context.refuse("the globals", globals);
  SecretText file;
  file.text.reserve(8 * 1024 * 1024);  // So that nothing of it is left elsewhere.
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
  PathWalk walk;
  if (!walk.find(*options.file)) return context.refuse(walk.why());
  const std::string why = replace_file(walk.found(), file.text, check.has_secrets());
  return why.empty() ? kDone : context.refuse(walk.found() + ": " + why);
}

}  // namespace iscsictl
