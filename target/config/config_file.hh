// SPDX-License-Identifier: GPL-2.0-only
//
// ConfigFile: the text of chiscsi.conf, taken apart into its blocks, with every mistake in it.
//
//   global:                       at most one
//       key=value
//   target:                       one per target
//       # A comment is a line of its own.
//       key=value
//
// Blanks around a line do not matter. The keys of a block go to GlobalSettings or TargetSettings as
// one buffer, so there is one parser for the file and for the module. A mistake in the global:
// block or outside of the blocks spoils the file, one in a target: block that target alone.
// Context: process (may sleep). Nothing here opens a file or prints.
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "base/own_ptr.hh"
#include "base/ref.hh"
#include "base/text.hh"
#include "target/config/global_settings.hh"
#include "target/config/growable_array.hh"
#include "target/config/message_line.hh"
#include "target/config/target_settings.hh"

namespace chiscsi {

inline constexpr uint32_t kMaxConfigFileBytes = 8 * 1024 * 1024;
// More of them help nobody, and memory has an end.
inline constexpr uint32_t kMaxConfigProblems = 1000;

// Something to say about a line.
struct ConfigProblem {
  enum class Where : uint8_t { kFile, kGlobal, kTarget };
  uint32_t line = 0;  // Counted from 1.
  Where where = Where::kFile;
  bool is_warning = false;
  ConfigError text;  // "<Key>: <what is wrong>", without a secret.
};

struct ConfigTarget {
  uint32_t line = 0;                      // That of its header.
  FixedText<iscsi::kMaxNameLength> name;  // Empty when it has none that is valid.
  Ref<TargetSettings> settings;           // Empty when the block has a mistake.
};

class ConfigFile {
 public:
  // Errors: kNoMemory, kInvalid for more than kMaxConfigFileBytes; mistakes are no error here, see
  // problems().
  static Result<OwnPtr<ConfigFile>> parse(Text text);

  // In the order of their lines, errors and warnings.
  Span<const ConfigProblem> problems() const { return problems_.span(); }
  uint32_t error_count() const { return errors_; }
  // False when nothing of the file may be used.
  bool is_usable() const { return usable_; }
  bool has_global() const { return global_line_ != 0; }
  // The global: block; empty when there is none or when it has a mistake.
  const Ref<GlobalSettings>& globals() const { return globals_; }
  // Every target: block, in order.
  Span<const ConfigTarget> targets() const { return targets_.span(); }

 private:
  friend class ConfigFileParser;
  template <typename T, typename... Args>
  friend OwnPtr<T> make(Alloc mode, Args&&... args);
  ConfigFile() = default;

  GrowableArray<ConfigProblem> problems_;
  GrowableArray<ConfigTarget> targets_;
  Ref<GlobalSettings> globals_;
  uint32_t global_line_ = 0;
  uint32_t errors_ = 0;
  bool usable_ = true;
};

}  // namespace chiscsi
