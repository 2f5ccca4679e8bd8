// SPDX-License-Identifier: GPL-2.0-only
//
// See config_source.hh.
#include "config_source.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace iscsictl {

namespace {

constexpr size_t kPiece = 64 * 1024;

// What does not fit is noticed by the parser, which takes one byte less.
constexpr size_t kLimit = chiscsi::kMaxConfigFileBytes + 1;

// 0 or an errno number.
int read_all(int fd, std::string* text) {
  while (text->size() < kLimit) {
    const size_t before = text->size();
    text->resize(before + kPiece);
    const ssize_t got = read(fd, text->data() + before, kPiece);
    const int error = errno;
    text->resize(before + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got == 0) return 0;
    if (got < 0 && error != EINTR) return error;
  }
  return 0;
}

// Reserved at once, so that no copy of a secret is left behind by growing.
void read_stream(std::istream& in, std::string* text) {
  char piece[4096];
  text->reserve(kLimit + sizeof(piece));
  while (text->size() < kLimit && in.read(piece, sizeof(piece)).gcount() > 0)
    text->append(piece, static_cast<size_t>(in.gcount()));
  explicit_bzero(piece, sizeof(piece));
}

}  // namespace

ConfigSource::~ConfigSource() { explicit_bzero(text_.data(), text_.size()); }

bool ConfigSource::read_file(const std::string& path, Context& context) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  int error = fd < 0 ? errno : 0;
  std::string text;
  text.reserve(kPiece);
  struct stat facts = {};
  if (fd >= 0 && fstat(fd, &facts) == 0 && facts.st_size > 0) {
    // At once, so that no copy of a secret is left behind by growing.
    text.reserve(static_cast<size_t>(facts.st_size) % kLimit + 2 * kPiece);
  }
  if (fd >= 0) {
    error = read_all(fd, &text);
    close(fd);
  }
  if (error != 0) {
    context.refuse(path + ": " + strerror(error));
    return false;
  }
  if (!parse(std::move(text), path, context)) return false;
  if ((facts.st_mode & 077) != 0 && S_ISREG(facts.st_mode) && has_secrets()) {
    context.err << path << ": warning: holds secrets that others than its owner may read\n";
  }
  return true;
}

bool ConfigSource::load(const std::optional<std::string>& path, Context& context) {
  if (path == "-") {
    std::string text;
    read_stream(context.in, &text);
    return parse(std::move(text), "standard input", context);
  }
  if (path) return read_file(*path, context);
  // "Does not exist" alone leads on to the next one.
  for (const std::string& candidate : context.default_files) {
    if (access(candidate.c_str(), F_OK) == 0 || errno != ENOENT) {
      return read_file(candidate, context);
    }
  }
  context.refuse(context.default_files.front() + ": there is no such file");
  return false;
}

bool ConfigSource::parse(std::string text, std::string name, Context& context) {
  name_ = std::move(name);
  text_ = std::move(text);
  auto parsed = chiscsi::ConfigFile::parse({text_.data(), text_.size()});
  if (parsed.is_ok()) {
    file_ = parsed.take();
    return true;
  }
  context.refuse(name_ + (parsed.error() == chiscsi::Error::kInvalid ? ": is longer than 8 MiB"
                                                                     : ": out of memory"));
  return false;
}

bool ConfigSource::has_secrets() const {
  const auto has = [](const chiscsi::AuthSettings& auth) {
    return !auth.initiators.empty() || auth.has_target_account();
  };
  if (file_->globals() && has(file_->globals()->discovery_auth())) return true;
  const auto targets = file_->targets();
  return std::any_of(targets.begin(), targets.end(), [&](const chiscsi::ConfigTarget& target) {
    return target.settings && has(target.settings->auth());
  });
}

void ConfigSource::tell_problems(Context& context, bool globals_only) const {
  uint32_t told = 0;
  for (const chiscsi::ConfigProblem& problem : file_->problems()) {
    told += problem.is_warning ? 0 : 1;
    if (globals_only && problem.where == chiscsi::ConfigProblem::Where::kTarget) continue;
    context.err << name_ << ':' << problem.line << ": " << (problem.is_warning ? "warning: " : "")
                << problem.text.c_str() << '\n';
  }
  if (told < file_->error_count()) {
    context.err << name_ << ": and " << file_->error_count() - told << " more errors\n";
  }
}

}  // namespace iscsictl
