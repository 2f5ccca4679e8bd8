// SPDX-License-Identifier: GPL-2.0-only
//
// Log lines and random numbers of the POSIX port. Lines go to stderr up to a level, or to the one
// HostLogCapture that is alive. Lines of os_log_limited() are never dropped here: a test that
// counts lines has to see all of them.
#include "os/log.h"

#include <sys/random.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "host.hh"
#include "internal.hh"

// Part of the sanitizers' run time, where there is one.
extern "C" void __sanitizer_print_stack_trace() __attribute__((weak));

namespace {

int level_from_environment() {
  const char* text = getenv("CHISCSI_LOG");
  return text == nullptr ? OS_LOG_WARNING : atoi(text);
}

std::atomic<int>& log_level() {
  static std::atomic<int> level{level_from_environment()};
  return level;
}

// Never destroyed: threads may log until the process is gone.
struct Captured {
  std::mutex lock;
  int captures = 0;
  std::vector<std::string> lines;
};
Captured& captured() {
  static auto* instance = new Captured;
  return *instance;
}

constexpr uint32_t kSelectedAtFirst = OS_LOG_BIT_ERROR | OS_LOG_BIT_WARNING | OS_LOG_BIT_INFO;
std::atomic<uint32_t> selected{kSelectedAtFirst};

// Debug lines come here in any case: CHISCSI_LOG decides on them.
bool is_selected(int level) {
  const uint32_t bit = level == OS_LOG_ERROR     ? OS_LOG_BIT_ERROR
                       : level == OS_LOG_WARNING ? OS_LOG_BIT_WARNING
                       : level == OS_LOG_INFO    ? OS_LOG_BIT_INFO
                                                 : ~0u;
  return (selected & bit) != 0 || bit == ~0u;
}

void log_line(int level, const char* format, va_list arguments) {
  if (!is_selected(level)) return;
  char line[1024];
  vsnprintf(line, sizeof(line), format, arguments);
  Captured& capture = captured();
  std::lock_guard guard(capture.lock);
  if (capture.captures != 0) {
    capture.lines.emplace_back(line);
  } else if (level <= log_level()) {
    fprintf(stderr, "chiscsi: %s\n", line);
  }
}

}  // namespace

void os_select_log(uint32_t mask) { selected = mask; }

void host_set_log_level(int level) { log_level() = level; }

HostLogCapture::HostLogCapture() {
  std::lock_guard guard(captured().lock);
  if (captured().captures++ == 0) captured().lines.clear();
}
HostLogCapture::~HostLogCapture() {
  std::lock_guard guard(captured().lock);
  --captured().captures;
}
std::vector<std::string> HostLogCapture::lines() const {
  std::lock_guard guard(captured().lock);
  return captured().lines;
}
bool HostLogCapture::contains(const std::string& part) const {
  for (const std::string& line : lines()) {
    if (line.find(part) != std::string::npos) return true;
  }
  return false;
}

void os_log(int level, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  log_line(level, format, arguments);
  va_end(arguments);
}

void os_log_limited(int level, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  log_line(level, format, arguments);
  va_end(arguments);
}

void os_random(void* buffer, size_t size) {
  auto* next = static_cast<unsigned char*>(buffer);
  while (size != 0) {
    const ssize_t got = getrandom(next, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) abort();
    next += got;
    size -= static_cast<size_t>(got);
  }
}

void os_check_failed(const char* condition, const char* file, int line) {
  fprintf(stderr, "chiscsi: check failed: %s at %s:%d\n", condition, file, line);
  fflush(stderr);
}

void host_contract_broken(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("host contract broken: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  if (__sanitizer_print_stack_trace != nullptr) __sanitizer_print_stack_trace();
  fflush(stderr);
  abort();
}
