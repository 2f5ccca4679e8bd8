// SPDX-License-Identifier: GPL-2.0-only
//
// Small files of the POSIX port (include/os/file.h), and a host that loses power.
//
// host_cut_power_at(n) lets the n-th step from now on happen half or not at all; from then on every
// step fails, as if the machine were gone. host_restore_power() brings it back, with or without
// those changes of names that no os_folder_sync() had made safe. Content that os_file_write() has
// returned for is safe, a name is not: what the contract says.
#include "os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "host.hh"

namespace {

std::mutex file_lock;
uint64_t steps_left = 0;  // 0: power stays.
bool powerless = false;
bool held = false;
std::condition_variable_any let_go;
uint64_t steps_taken = 0;
// How to take back what no folder sync has made safe, the newest last.
std::vector<std::function<void()>> unsafe_names;

enum class Step { kGoOn, kTear, kDead };

// What becomes of the step that begins now. The caller has the lock.
Step begin_step(const char* what) {
  host_might_sleep(what);
  let_go.wait(file_lock, [] { return !held; });
  if (powerless) return Step::kDead;
  ++steps_taken;
  if (steps_left == 0 || --steps_left != 0) return Step::kGoOn;
  powerless = true;
  return Step::kTear;
}

bool read_all(const std::string& path, std::string* content) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char piece[4096];
  ssize_t got;
  content->clear();
  while ((got = read(fd, piece, sizeof(piece))) > 0)
    content->append(piece, static_cast<size_t>(got));
  close(fd);
  return got == 0;
}

int write_all(const std::string& path, const void* data, size_t size) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return -errno;
  size_t written = 0;
  while (written < size) {
    const ssize_t now = write(fd, static_cast<const char*>(data) + written, size - written);
    if (now < 0) {
      const int error = -errno;
      close(fd);
      return error;
    }
    written += static_cast<size_t>(now);
  }
  const int error = fsync(fd) != 0 ? -errno : 0;
  close(fd);
  return error;
}

// Remembers what the name stands for now.
void remember(const std::string& path) {
  std::string content;
  if (read_all(path, &content)) {
    unsafe_names.push_back(
        [path, content] { static_cast<void>(write_all(path, content.data(), content.size())); });
  } else {
    unsafe_names.push_back([path] { unlink(path.c_str()); });
  }
}

}  // namespace

void host_cut_power_at(uint64_t step) {
  std::lock_guard<std::mutex> guard(file_lock);
  steps_left = step;
}

void host_restore_power(bool lose_names) {
  std::lock_guard<std::mutex> guard(file_lock);
  while (lose_names && !unsafe_names.empty()) {
    unsafe_names.back()();
    unsafe_names.pop_back();
  }
  unsafe_names.clear();
  steps_left = 0;
  powerless = false;
}

void host_hold_files(bool hold) {
  std::lock_guard<std::mutex> guard(file_lock);
  held = hold;
  let_go.notify_all();
}

uint64_t host_file_steps() {
  std::lock_guard<std::mutex> guard(file_lock);
  return steps_taken;
}

int os_folder_make(const char* path) {
  host_might_sleep("os_folder_make");
  return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : -errno;
}

int os_folder_sync(const char* path) {
  std::lock_guard<std::mutex> guard(file_lock);
  if (begin_step("os_folder_sync") != Step::kGoOn) return -EIO;
  const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  const int error = fsync(fd) != 0 ? -errno : 0;
  close(fd);
  if (error == 0) unsafe_names.clear();
  return error;
}

int os_file_write(const char* path, const void* data, size_t size) {
  std::lock_guard<std::mutex> guard(file_lock);
  const Step step = begin_step("os_file_write");
  if (step == Step::kDead) return -EIO;
  if (access(path, F_OK) != 0) remember(path);
  if (step == Step::kGoOn) return write_all(path, data, size);
  static_cast<void>(write_all(path, data, size / 2));
  return -EIO;
}

long os_file_read(const char* path, void* data, size_t room) {
  std::lock_guard<std::mutex> guard(file_lock);
  host_might_sleep("os_file_read");
  if (powerless) return -EIO;
  struct stat facts;
  if (lstat(path, &facts) != 0) return -errno;
  if (!S_ISREG(facts.st_mode)) return -EINVAL;
  if (static_cast<uint64_t>(facts.st_size) > room) return -EFBIG;
  std::string content;
  if (!read_all(path, &content)) return -EIO;
  content.copy(static_cast<char*>(data), content.size());
  return static_cast<long>(content.size());
}

int os_file_rename(const char* from, const char* to) {
  std::lock_guard<std::mutex> guard(file_lock);
  if (begin_step("os_file_rename") != Step::kGoOn) return -EIO;
  remember(from);
  remember(to);
  return rename(from, to) == 0 ? 0 : -errno;
}

int os_file_remove(const char* path) {
  std::lock_guard<std::mutex> guard(file_lock);
  if (begin_step("os_file_remove") != Step::kGoOn) return -EIO;
  remember(path);
  return unlink(path) == 0 ? 0 : -errno;
}
