// SPDX-License-Identifier: GPL-2.0-only
//
// See config_file.hh. Lines are collected until the block ends; then its parser gets them at once
// and tells by their number which of them are wrong.
#include "target/config/config_file.hh"

#include "target/config/key_hint.hh"
#include "target/config/text_index.hh"

namespace chiscsi {

namespace config_file_detail {

// Of UTF-8. Some editors begin a file with it, and nobody sees it.
constexpr char kByteOrderMark[] = "\xef\xbb\xbf";

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

Text trim_end(Text text) {
  while (!text.empty() && is_blank(text[text.size() - 1]))
    text = text.first(text.size() - 1);
  return text;
}

Text trim(Text text) {
  while (!text.empty() && is_blank(text[0]))
    text = text.skip(1);
  return trim_end(text);
}

Text key_of(Text pair) { return pair.take_until('='); }

// "<Key>: ..." names its key.
Text key_of(const ConfigError& error) { return Text(error.text()).take_until(':'); }

// A header ends with a colon; a key never has one before its value.
bool is_header(Text line) {
  return line.find('=') == Text::kNotFound && line[line.size() - 1] == ':';
}

}  // namespace config_file_detail

class ConfigFileParser final : private ConfigErrors {
 public:
  explicit ConfigFileParser(ConfigFile& file) : file_(file) {}
  Status run(Text text);

 private:
  using Where = ConfigProblem::Where;
  enum class Block : uint8_t { kNone, kGlobal, kTarget, kIgnored };

  Status take_line(Text line);
  Status take_header(Text line);
  Status take_pair(Text line);
  Status end_block();
  Status end_global();
  Status end_target();
  Status warn_about(const AuthSettings& auth, Text initiator_key, Text target_key);
  Status check_doubled_name(Text name);
  Status check_shared_devices(uint32_t index);
  Status warn_of_owners(Text device);

  void report(uint32_t pair, const ConfigError& error) override;
  // Both count from 1 and add a problem of the block that is being read.
  Status refuse(uint32_t line, const ConfigError& error);
  Status warn(uint32_t line, const ConfigError& error);
  Status add_problem(uint32_t line, const ConfigError& error, bool is_warning);
  bool is_full() const { return file_.problems_.size() >= kMaxConfigProblems; }
  // The last line of the block with this key, or that of the header.
  uint32_t line_of(Text key) const;
  void sort_problems();

  ConfigFile& file_;
  Block block_ = Block::kNone;
  uint32_t line_ = 0;
  uint32_t header_line_ = 0;
  bool block_failed_ = false;
  bool lost_line_ = false;  // A line of the block did not reach the block's parser.
  bool out_of_memory_ = false;
  GrowableArray<Text> pairs_;  // Of the block; slices of the file's text.
  GrowableArray<uint32_t> lines_;
  TextIndex names_;   // Of the targets so far, with the line of the block.
  TextIndex owners_;  // Their devices, with the place of the target.
};

Status ConfigFileParser::run(Text text) {
  if (text.starts_with(config_file_detail::kByteOrderMark)) {
    text = text.skip(sizeof(config_file_detail::kByteOrderMark) - 1);
  }
  while (!text.empty()) {
    ++line_;
    const Text line = config_file_detail::trim(text.take_until('\n'));
    if (line.empty() || line[0] == '#') continue;
    const uint32_t errors = file_.errors_;
    CHISCSI_TRY(take_line(line));
    if (line_ != header_line_ && errors != file_.errors_) lost_line_ = true;
  }
  CHISCSI_TRY(end_block());
  sort_problems();
  return {};
}

Status ConfigFileParser::take_line(Text line) {
  if (line.find('\0') != Text::kNotFound) {
    ConfigError error;
    error.add_foreign(shown_key(line)).add(": the line has a NUL byte in it");
    return refuse(line_, error);
  }
  return config_file_detail::is_header(line) ? take_header(line) : take_pair(line);
}

Status ConfigFileParser::take_header(Text line) {
  CHISCSI_TRY(end_block());
  header_line_ = line_;
  if (line == Text("target:")) {
    block_ = Block::kTarget;
    return {};
  }
  // What is wrong with a header concerns the whole file.
  block_ = Block::kIgnored;
  ConfigError error;
  if (line == Text("global:")) {
    if (!file_.has_global()) {
      file_.global_line_ = line_;
      block_ = Block::kGlobal;
      return {};
    }
    error.at("global").add("a second block; the first is in line ").add_number(file_.global_line_);
  } else if (line == Text("initiator:")) {
    error.at("initiator").add("blocks of this kind are not supported");
  } else {
    error.add_foreign(shown_key(line)).add(": unknown block, wants global: or target:");
  }
  return refuse(line_, error);
}

Status ConfigFileParser::take_pair(Text line) {
  namespace detail = config_file_detail;
  if (block_ == Block::kIgnored) return {};
  const Text key = detail::key_of(line);
  ConfigError error;
  error.add_foreign(shown_key(key));
  if (line.find('=') == Text::kNotFound) return refuse(line_, error.add(": wants key=value"));
  if (block_ == Block::kNone) {
    return refuse(line_, error.add(": stands before the first global: or target: line"));
  }
  const bool in_target = block_ == Block::kTarget;
  const auto is_known = [&](Text name, bool of_target) {
    return of_target ? TargetSettings::knows(name) : GlobalSettings::knows(name);
  };
  if (is_known(key, !in_target)) {
    error.add(in_target ? ": belongs into the global: block" : ": belongs into a target: block");
    return refuse(line_, error);
  }
  const Text trimmed = detail::trim_end(key);
  if (trimmed.size() != key.size() && is_known(trimmed, in_target)) {
    error.clear();
    return refuse(line_, error.add_foreign(trimmed).add(": no blanks may stand before the ="));
  }
  CHISCSI_TRY(pairs_.append(line));
  return lines_.append(line_);
}

Status ConfigFileParser::end_block() {
  const Status status = block_ == Block::kGlobal   ? end_global()
                        : block_ == Block::kTarget ? end_target()
                                                   : Status();
  pairs_ = {};
  lines_ = {};
  block_ = Block::kNone;
  block_failed_ = lost_line_ = false;
  return out_of_memory_ ? Status(Error::kNoMemory) : status;
}

Status ConfigFileParser::end_global() {
  TextBuilder buffer;
  for (const Text pair : pairs_)
    buffer.add(pair).add('\0');
  if (!buffer.is_ok()) return Error::kNoMemory;
  ConfigError error;
  auto settings = GlobalSettings::parse(buffer.text().bytes(), &error, this);
  if (!settings.is_ok() && settings.error() != Error::kInvalid) return settings.status();
  if (block_failed_ || !settings.is_ok()) return {};
  file_.globals_ = settings.take();
  if (file_.globals_->offload_mode() == OffloadMode::kToe) {
    error.at("iscsi_offload_mode").add("there is no offload of TCP alone; TOE is taken as AUTO");
    CHISCSI_TRY(warn(line_of("iscsi_offload_mode"), error));
  }
  return warn_about(file_.globals_->discovery_auth(), "DISC_Auth_CHAP_Initiator",
                    "DISC_Auth_CHAP_Target");
}

Status ConfigFileParser::end_target() {
  TextBuilder buffer;
  ConfigTarget target;
  Text name;  // Of the file's text, which does not move.
  target.line = header_line_;
  for (const Text pair : pairs_) {
    buffer.add(pair).add('\0');
    Text value = pair;
    if (value.take_until('=') == Text("TargetName") && is_iscsi_name(value)) name = value;
  }
  if (!buffer.is_ok()) return Error::kNoMemory;
  target.name.assign(name);
  ConfigError error;
  TargetParseOptions options;
  options.from_file = true;
  options.default_max_commands = kDefaultSessionCommandsFile;
  auto settings = TargetSettings::parse(Text(), buffer.text().bytes(), options, &error, this);
  if (!settings.is_ok() && settings.error() != Error::kInvalid) return settings.status();
  CHISCSI_TRY(check_doubled_name(name));
  if (!block_failed_ && settings.is_ok()) target.settings = settings.take();
  CHISCSI_TRY(file_.targets_.append(std::move(target)));
  const ConfigTarget& added = file_.targets_.back();
  if (!added.settings) return {};
  CHISCSI_TRY(check_shared_devices(static_cast<uint32_t>(file_.targets_.size() - 1)));
  return warn_about(added.settings->auth(), "Auth_CHAP_Initiator", "Auth_CHAP_Target");
}

Status ConfigFileParser::warn_about(const AuthSettings& auth, Text initiator_key, Text target_key) {
  if (!auth.has_short_secret()) return {};
  const bool of_target = auth.has_target_account() && auth.target.secret.size() < kGoodSecretLength;
  const Text key = of_target ? target_key : initiator_key;
  ConfigError error;
  error.at(key).add("a secret of less than 12 bytes can be guessed");
  return warn(line_of(key), error);
}

Status ConfigFileParser::check_doubled_name(Text name) {
  if (name.empty()) return {};
  const uint32_t other = names_.first(name);
  if (other == TextIndex::kNone) return names_.add(name, header_line_);
  ConfigError error;
  error.at("TargetName").add("is also that of the target: block in line ");
  return refuse(line_of("TargetName"), error.add_number(names_.number(other)));
}

// Devices belong to one target; a RAM disk's name means something in its target alone.
Status ConfigFileParser::check_shared_devices(uint32_t index) {
  const auto is_real = [](const TargetDeviceSettings& device) {
    return device.lun_class == Text("FILE") || device.lun_class == Text("BLK");
  };
  const Span<const TargetDeviceSettings> devices = file_.targets_[index].settings->devices();
  for (const TargetDeviceSettings& device : devices) {
    if (is_real(device)) CHISCSI_TRY(warn_of_owners(device.name));
  }
  for (const TargetDeviceSettings& device : devices) {
    if (is_real(device)) CHISCSI_TRY(owners_.add(device.name, index));
  }
  return {};
}

Status ConfigFileParser::warn_of_owners(Text device) {
  for (uint32_t entry = owners_.first(device); entry != TextIndex::kNone && !is_full();
       entry = owners_.next(entry)) {
    const ConfigTarget& owner = file_.targets_[owners_.number(entry)];
    ConfigError error;
    error.at("TargetDevice").add_foreign(device).add(" also belongs to the target of line ");
    CHISCSI_TRY(warn(line_of("TargetDevice"), error.add_number(owner.line)));
  }
  return {};
}

void ConfigFileParser::report(uint32_t pair, const ConfigError& error) {
  // What seems to be missing may stand in a line that was refused.
  if (pair == kNoPair && lost_line_) return;
  const uint32_t line =
      pair < lines_.size() ? lines_[pair] : line_of(config_file_detail::key_of(error));
  if (!refuse(line, error).is_ok()) out_of_memory_ = true;
}

Status ConfigFileParser::refuse(uint32_t line, const ConfigError& error) {
  block_failed_ = true;
  ++file_.errors_;
  if (block_ != Block::kTarget) file_.usable_ = false;
  return add_problem(line, error, false);
}

Status ConfigFileParser::warn(uint32_t line, const ConfigError& error) {
  return add_problem(line, error, true);
}

Status ConfigFileParser::add_problem(uint32_t line, const ConfigError& error, bool is_warning) {
  if (is_full()) return {};
  ConfigProblem problem;
  problem.line = line;
  problem.is_warning = is_warning;
  problem.where = block_ == Block::kGlobal   ? Where::kGlobal
                  : block_ == Block::kTarget ? Where::kTarget
                                             : Where::kFile;
  problem.text = error;
  return file_.problems_.append(problem);
}

uint32_t ConfigFileParser::line_of(Text key) const {
  for (size_t i = pairs_.size(); i != 0; --i) {
    if (config_file_detail::key_of(pairs_.span()[i - 1]) == key) return lines_.span()[i - 1];
  }
  return header_line_;
}

// By insertion: they are nearly in order, and equal lines stay as they came.
void ConfigFileParser::sort_problems() {
  const Span<ConfigProblem> all = file_.problems_.span();
  for (size_t i = 1; i < all.size(); ++i) {
    const ConfigProblem problem = all[i];
    size_t j = i;
    for (; j != 0 && problem.line < all[j - 1].line; --j)
      all[j] = all[j - 1];
    all[j] = problem;
  }
}

Result<OwnPtr<ConfigFile>> ConfigFile::parse(Text text) {
  if (text.size() > kMaxConfigFileBytes) return Error::kInvalid;
  OwnPtr<ConfigFile> file = make<ConfigFile>(Alloc::kMaySleep);
  if (!file) return Error::kNoMemory;
  const Status status = ConfigFileParser(*file).run(text);
  if (!status.is_ok()) return status.error();
  return file;
}

}  // namespace chiscsi
