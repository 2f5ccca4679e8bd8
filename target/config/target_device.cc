// SPDX-License-Identifier: GPL-2.0-only
//
// See target_device.hh.
#include "target/config/target_device.hh"

#include "target/config/key_hint.hh"
#include "target/config/number.hh"
#include "target/config/word_list.hh"

namespace chiscsi {

namespace target_device_detail {

constexpr char kKey[] = "TargetDevice";
constexpr char kDefaultClass[] = "FILE";
constexpr uint32_t kMaxNameLength = 255;
constexpr uint32_t kMaxRamDiskMb = 1024 * 1024;
constexpr uint32_t kMinBlockSize = 512, kMaxBlockSize = 4096;

Status bad(ConfigError* error, Text what, Text value) {
  error->at(kKey).add(what).add(" ").add_quoted(value);
  return Error::kInvalid;
}

struct FlagWord {
  const char* name;
  bool TargetDeviceSettings::*member;
  bool own = false;  // Of our own classes alone.
};
constexpr FlagWord kFlags[] = {
    {"NULLRW", &TargetDeviceSettings::nullrw},
    {"SYNC", &TargetDeviceSettings::sync},
    {"RO", &TargetDeviceSettings::read_only},
    {"DIRECT", &TargetDeviceSettings::direct, true},
    {"THIN", &TargetDeviceSettings::thin, true},
    {"REMOVABLE", &TargetDeviceSettings::removable, true},
};

struct TextOption {
  const char* name;
  size_t max_length;
  const char* wants;
  Text TargetDeviceSettings::*member;
  bool own = false;
};
constexpr TextOption kTexts[] = {
    {"ID", 24, "wants ID= with 1 to 24 printable characters, not", &TargetDeviceSettings::id},
    {"WWN", 16, "wants WWN= with 1 to 16 printable characters, not", &TargetDeviceSettings::wwn},
    {"SN", 16, "wants SN= with 1 to 16 printable characters, not", &TargetDeviceSettings::sn},
    {"PROD", 16, "wants PROD= with 1 to 16 printable characters, not",
     &TargetDeviceSettings::product, true},
};
constexpr char kTwice[] = "option given twice";
constexpr char kNotAscii[] = "options are printable ASCII, not";

constexpr const char* kNumberOptions[] = {"size", "BS", "THRESHOLD"};

constexpr const char* kOurClasses[] = {"FILE", "BLK", "MEM", "SCST"};

bool is_our_class(Text name) {
  for (const char* ours : kOurClasses) {
    if (name == Text(ours)) return true;
  }
  return false;
}

constexpr char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

// Whether `name` is `ours`, but for the case of its letters.
bool is_near(Text name, Text ours) {
  if (name.size() != ours.size()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    if (upper(name[i]) != ours[i]) return false;
  }
  return true;
}

bool is_printable(Text text) {
  for (const char c : text) {
    if (c < ' ' || c > '~') return false;
  }
  return true;
}

Status parse_size(Text option, Text value, TargetDeviceSettings* device, ConfigError* error) {
  const size_t digits = value.size() < 2 ? 0 : value.size() - 2;
  const bool first_time = device->size_mb == 0;
  if (!first_time || value.skip(digits) != Text("MB") ||
      !parse_number_in_range(value.first(digits), NumberSyntax::kDecimal, 1, kMaxRamDiskMb,
                             &device->size_mb)) {
    return bad(error, "wants size=<1-1048576>MB once, not", option);
  }
  return {};
}

// For a class of a driver it is an option like any other.
void note_own(Text option, TargetDeviceSettings* device) {
  if (device->own_option.empty()) device->own_option = option;
}

// The same, when our classes have no such value; which one it is may stand behind it. `why` lives
// as long as the program.
Status note_wrong(Text why, Text option, TargetDeviceSettings* device, ConfigError* error) {
  if (!is_printable(option)) return bad(error, why, option);
  if (!device->wrong_option.empty()) return {};
  device->wrong_option = option;
  device->wrong_why = why;
  return {};
}

Status parse_block_size(Text option, Text value, TargetDeviceSettings* device, ConfigError* error) {
  uint32_t& size = device->block_size;
  const bool first_time = size == 0;
  note_own(option, device);
  if (!first_time ||
      !parse_number_in_range(value, NumberSyntax::kDecimal, kMinBlockSize, kMaxBlockSize, &size) ||
      (size & (size - 1)) != 0) {
    return note_wrong("wants BS=512, 1024, 2048 or 4096 once, not", option, device, error);
  }
  return {};
}

Status parse_threshold(Text option, Text value, TargetDeviceSettings* device, ConfigError* error) {
  const bool first_time = device->threshold == 0;
  note_own(option, device);
  if (!first_time ||
      !parse_number_in_range(value, NumberSyntax::kDecimal, 1, 99, &device->threshold)) {
    return note_wrong("wants THRESHOLD=<1-99> once, not", option, device, error);
  }
  return {};
}

// An option of a driver's class, unless the class turns out to be one of ours.
Status keep_foreign(Text option, TargetDeviceSettings* device, ConfigError* error) {
  if (!is_printable(option)) return bad(error, kNotAscii, option);
  if (device->foreign_option.empty()) device->foreign_option = option;
  return {};
}

Status parse_assignment(Text option, TargetDeviceSettings* device, ConfigError* error) {
  Text value = option;
  const Text name = value.take_until('=');
  if (name == Text("size")) return parse_size(option, value, device, error);
  if (name == Text("BS")) return parse_block_size(option, value, device, error);
  if (name == Text("THRESHOLD")) return parse_threshold(option, value, device, error);
  for (const TextOption& known : kTexts) {
    if (name != Text(known.name)) continue;
    Text& member = device->*known.member;
    const bool fits = !value.empty() && value.size() <= known.max_length && is_printable(value);
    if (known.own) note_own(option, device);
    if (member.empty() && fits) {
      member = value;
      return {};
    }
    const char* const why = fits ? kTwice : known.wants;
    return known.own ? note_wrong(why, option, device, error) : bad(error, why, option);
  }
  return keep_foreign(option, device, error);
}

Status parse_word(Text word, TargetDeviceSettings* device, ConfigError* error) {
  for (const FlagWord& known : kFlags) {
    if (word != Text(known.name)) continue;
    bool& member = device->*known.member;
    if (known.own) note_own(word, device);
    if (!member) {
      member = true;
      return {};
    }
    return known.own ? note_wrong(kTwice, word, device, error) : bad(error, kTwice, word);
  }
  if (word.empty()) return bad(error, "empty option in", device->line);
  if (!is_printable(word)) return bad(error, kNotAscii, word);
  if (!device->names_class) {
    device->names_class = true;
    device->lun_class = word;
    return {};
  }
  if (is_our_class(word)) return bad(error, "a second type word", word);
  return keep_foreign(word, device, error);
}

// With the nearest of ours, or else all of them.
Status refuse_unknown(Text option, ConfigError* error) {
  const bool assigns = option.find('=') != Text::kNotFound;
  Text name = option;
  if (assigns) name = name.take_until('=');
  KeyHint hint(name);
  if (assigns) {
    for (const TextOption& known : kTexts)
      hint.offer(known.name);
    for (const char* known : kNumberOptions)
      hint.offer(known);
  } else {
    for (const FlagWord& known : kFlags)
      hint.offer(known.name);
  }
  error->at(kKey).add("unknown option ").add_quoted(option);
  if (!hint.best().empty()) {
    error->add(", did you mean ").add(hint.best()).add(assigns ? "=?" : "?");
    return Error::kInvalid;
  }
  const char* before = ", wants ";
  for (const FlagWord& known : kFlags) {
    error->add(before).add(known.name);
    before = ", ";
  }
  for (const TextOption& known : kTexts)
    error->add(before).add(known.name).add("=");
  for (const char* known : kNumberOptions)
    error->add(known == kNumberOptions[2] ? " or " : before).add(known).add("=");
  return Error::kInvalid;
}

// A driver may call its class whatever it likes, but nobody means two classes by one word.
Status check_foreign_class(Text name, ConfigError* error) {
  for (const char* ours : kOurClasses) {
    if (!is_near(name, ours)) continue;
    error->at(kKey).add("wants ").add(ours).add(" in capitals, not ").add_quoted(name);
    return Error::kInvalid;
  }
  return {};
}

// Options that only some of our classes have.
Status check_options(const TargetDeviceSettings& device, ConfigError* error) {
  if (device.size_mb != 0 && !device.is_ram_disk()) {
    return bad(error, "size= is for MEM only:", device.line);
  }
  if (device.sync && device.is_ram_disk()) {
    return bad(error, "SYNC is for FILE and BLK only:", device.line);
  }
  if (device.direct && device.lun_class != Text("FILE")) {
    return bad(error, "DIRECT is for FILE only:", device.line);
  }
  // Nobody knows how much of a block device is used.
  if (device.threshold != 0 && (!device.thin || device.lun_class == Text("BLK"))) {
    return bad(error, "THRESHOLD= is for MEM and FILE with THIN only:", device.line);
  }
  return {};
}

}  // namespace target_device_detail

Status parse_target_device(Text value, TargetDeviceSettings* device, ConfigError* error) {
  namespace detail = target_device_detail;
  device->line = value;
  WordList fields(value);
  fields.next(&device->name);
  if (device->name.empty() || device->name.size() > detail::kMaxNameLength) {
    return detail::bad(error, "wants a path or name of 1 to 255 characters first, not", value);
  }
  if (!detail::is_printable(device->name)) {
    return detail::bad(error, "wants a path or name of printable ASCII, not", device->name);
  }
  for (Text option; fields.next(&option);) {
    const bool assigns = option.find('=') != Text::kNotFound;
    CHISCSI_TRY(assigns ? detail::parse_assignment(option, device, error)
                        : detail::parse_word(option, device, error));
  }
  if (!device->names_class) device->lun_class = detail::kDefaultClass;
  if (!detail::is_our_class(device->lun_class)) {
    if (device->foreign_option.empty()) device->foreign_option = device->own_option;
    return detail::check_foreign_class(device->lun_class, error);
  }
  if (!device->wrong_option.empty()) {
    return detail::bad(error, device->wrong_why, device->wrong_option);
  }
  if (!device->foreign_option.empty()) {
    return detail::refuse_unknown(device->foreign_option, error);
  }
  return detail::check_options(*device, error);
}

}  // namespace chiscsi
