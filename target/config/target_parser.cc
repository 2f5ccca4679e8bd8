// SPDX-License-Identifier: GPL-2.0-only
//
// TargetSettings::parse(): the key=value buffer of a target, by a table of keys.
//
// One row per key names the function that takes its value. Numbers and booleans of RFC 7143 take
// their range and their member from the key table. Every refusal names the key, the value and what
// is allowed.
#include "target/config/block_parser.hh"
#include "target/config/target_settings.hh"
#include "target/config/text_index.hh"
#include "target/config/word_list.hh"

namespace chiscsi {

class TargetParser : public BlockParser<TargetParser, 32> {
 public:
  TargetParser(TargetSettings& settings, const TargetParseOptions& options, ConfigError& error,
               ConfigErrors* all)
      : BlockParser(error, all), settings_(settings), options_(options) {}

  Status run(Text target_name, Bytes buffer);

 private:
  friend BlockParser;
  static const KeyRow<TargetParser> kRows[kRowCount];

  Status check_all();
  Status check_presence();
  Status check_devices();

  Status take_name(const char* key, Text value);
  Status take_alias(const char* key, Text value);
  Status take_rfc_number(const char* key, Text value);
  Status take_rfc_boolean(const char* key, Text value);
  Status take_receive_limit(const char* key, Text value);
  Status take_only_yes(const char* key, Text value);
  Status take_only_no(const char* key, Text value);
  Status take_only_zero(const char* key, Text value);
  Status take_marker_interval(const char* key, Text value);
  Status take_header_digest(const char* key, Text value);
  Status take_data_digest(const char* key, Text value);
  Status take_digests(const char* key, Text value, DigestChoice* digests);
  Status take_auth_methods(const char* key, Text value);
  Status take_initiator_accounts(const char* key, Text value);
  Status take_target_account(const char* key, Text value);
  Status take_challenge_length(const char* key, Text value);
  Status take_chap_policy(const char* key, Text value);
  Status take_portal_group(const char* key, Text value);
  Status take_shadow_mode(const char* key, Text value);
  Status take_max_commands(const char* key, Text value);
  Status take_device(const char* key, Text value);
  Status take_acl_enable(const char* key, Text value);
  Status take_acl(const char* key, Text value);
  Status take_registers_isns(const char* key, Text value);
  Status take_flag(const char* key, Text value, bool* flag);

  TargetSettings& settings_;
  const TargetParseOptions& options_;
  AuthChoice methods_;
  GrowableArray<uint32_t> device_pairs_;  // The pair of each device.
};

constexpr KeyRow<TargetParser> TargetParser::kRows[] = {
    // config-and-cli: keys of RFC 7143.
    {"TargetName", kKeyOnce, &TargetParser::take_name},
    {"TargetAlias", kKeyOnce, &TargetParser::take_alias},
    {"MaxConnections", kKeyOnce, &TargetParser::take_rfc_number},
    {"InitialR2T", kKeyOnce, &TargetParser::take_rfc_boolean},
    {"ImmediateData", kKeyOnce, &TargetParser::take_rfc_boolean},
    {"FirstBurstLength", kKeyOnce, &TargetParser::take_rfc_number},
    {"MaxBurstLength", kKeyOnce, &TargetParser::take_rfc_number},
    {"MaxRecvDataSegmentLength", kKeyOnce, &TargetParser::take_receive_limit},
    {"MaxOutstandingR2T", kKeyOnce, &TargetParser::take_rfc_number},
    {"DefaultTime2Wait", kKeyOnce, &TargetParser::take_rfc_number},
    {"DefaultTime2Retain", kKeyOnce, &TargetParser::take_rfc_number},
    {"DataPDUInOrder", kKeyOnce, &TargetParser::take_only_yes},
    {"DataSequenceInOrder", kKeyOnce, &TargetParser::take_only_yes},
    {"ErrorRecoveryLevel", kKeyOnce, &TargetParser::take_only_zero},
    {"HeaderDigest", kKeyRepeats, &TargetParser::take_header_digest},
    {"DataDigest", kKeyRepeats, &TargetParser::take_data_digest},
    {"AuthMethod", kKeyRepeats, &TargetParser::take_auth_methods},
    {"OFMarker", kKeyOnce, &TargetParser::take_only_no},
    {"IFMarker", kKeyOnce, &TargetParser::take_only_no},
    {"OFMarkInt", kKeyOnce, &TargetParser::take_marker_interval},
    {"IFMarkInt", kKeyOnce, &TargetParser::take_marker_interval},
    // Chelsio keys.
    {"Auth_CHAP_Initiator", kKeyRepeats, &TargetParser::take_initiator_accounts},
    {"Auth_CHAP_Target", kKeyOnce, &TargetParser::take_target_account},
    {"Auth_CHAP_ChallengeLength", kKeyOnce, &TargetParser::take_challenge_length},
    {"Auth_CHAP_Policy", kKeyOnce, &TargetParser::take_chap_policy},
    {"PortalGroup", kKeyRepeats, &TargetParser::take_portal_group},
    {"ShadowMode", kKeyOnce, &TargetParser::take_shadow_mode},
    {"TargetSessionMaxCmd", kKeyOnce, &TargetParser::take_max_commands},
    {"TargetDevice", kKeyRepeats, &TargetParser::take_device},
    {"ACL_Enable", kKeyOnce, &TargetParser::take_acl_enable},
    {"ACL", kKeyRepeats, &TargetParser::take_acl},
    {"RegisteriSNS", kKeyOnce, &TargetParser::take_registers_isns},
};

namespace target_parser_detail {

// A text without control characters, for people to read.
bool is_plain(Text text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) return false;
  }
  return true;
}

}  // namespace target_parser_detail

Status TargetParser::run(Text target_name, Bytes buffer) {
  if (!target_name.empty()) CHISCSI_TRY(take_name("TargetName", target_name));
  settings_.max_commands_ = options_.default_max_commands;
  return read(buffer, "configuration", false, &settings_.text_);
}

Status TargetParser::check_presence() {
  const struct {
    const char* key;
    bool is_missing;
  } needed[] = {
      {"TargetName", settings_.name_.empty()},
      {"PortalGroup", options_.from_file && settings_.portal_groups_.empty()},
      {"TargetDevice", options_.from_file && settings_.devices_.empty()},
  };
  for (const auto& one : needed) {
    if (!one.is_missing) continue;
    error_.at(one.key).add("is missing");
    CHISCSI_TRY(report(ConfigErrors::kNoPair, Error::kInvalid));
  }
  return {};
}

Status TargetParser::check_all() {
  TargetSettings& s = settings_;
  CHISCSI_TRY(check_presence());
  if (s.session_.first_burst_length > s.session_.max_burst_length) {
    error_.at("FirstBurstLength").add_number(s.session_.first_burst_length);
    error_.add(" is more than MaxBurstLength ").add_number(s.session_.max_burst_length);
    return Error::kInvalid;
  }
  if (s.header_digests_.empty()) s.header_digests_ = DigestChoice(DigestType::kNone);
  if (s.data_digests_.empty()) s.data_digests_ = DigestChoice(DigestType::kNone);
  s.auth_.methods = methods_.empty() ? AuthChoice(AuthMethod::kNone, AuthMethod::kChap) : methods_;
  CHISCSI_TRY(s.auth_.check(options_.has_chap_hook, &error_));
  CHISCSI_TRY(check_portal_groups(s.portal_groups_.span(), &error_));
  return check_devices();
}

// What identifies a RAM disk is its name: others of that name would have its identity, and paths
// to two disks would be taken for paths to one.
Status TargetParser::check_devices() {
  const Span<const TargetDeviceSettings> devices = settings_.devices();
  if (devices.size() > kMaxTargetDevices) {
    error_.at("TargetDevice").add("more than ").add_number(kMaxTargetDevices).add(" lines");
    return report(device_pairs_[kMaxTargetDevices], Error::kInvalid);
  }
  TextIndex names;
  for (uint32_t lun = 0; lun < devices.size(); ++lun) {
    const uint32_t entry = names.first(devices[lun].name);
    if (entry == TextIndex::kNone) {
      CHISCSI_TRY(names.add(devices[lun].name, lun));
      continue;
    }
    const uint32_t other = names.number(entry);
    if (!devices[lun].is_ram_disk() && !devices[other].is_ram_disk()) continue;
    error_.at("TargetDevice").add_quoted(devices[lun].name).add(" is also the name of LUN ");
    error_.add_number(other).add("; that of a MEM device is unique within its target");
    CHISCSI_TRY(report(device_pairs_[lun], Error::kInvalid));
  }
  return {};
}

Status TargetParser::take_name(const char* key, Text value) {
  if (!is_iscsi_name(value))
    return refuse(key, "wants a name like iqn.2026-11.org.example:disk", value);
  if (!settings_.name_.empty() && settings_.name_.text() != value) {
    return refuse(key, "has to be the name of the target", value);
  }
  settings_.name_.assign(value);
  return {};
}

Status TargetParser::take_alias(const char* key, Text value) {
  if (value.size() > iscsi::kMaxValueLength || !target_parser_detail::is_plain(value)) {
    return refuse(key, "wants up to 255 printable characters", value);
  }
  settings_.alias_ = value;
  return {};
}

Status TargetParser::take_flag(const char* key, Text value, bool* flag) {
  return parse_boolean(value, flag) ? Status() : refuse(key, "wants Yes or No", value);
}

Status TargetParser::take_rfc_number(const char* key, Text value) {
  const KeyInfo& info = *find_key(key);
  return take_number(key, value, info.minimum, info.maximum, &(settings_.session_.*info.number));
}

Status TargetParser::take_rfc_boolean(const char* key, Text value) {
  return take_flag(key, value, &(settings_.session_.*find_key(key)->boolean));
}

Status TargetParser::take_receive_limit(const char* key, Text value) {
  const KeyInfo& info = key_info(TextKey::kMaxRecvDataSegmentLength);
  return take_number(key, value, info.minimum, info.maximum,
                     &settings_.max_recv_data_segment_length_);
}

Status TargetParser::take_only_yes(const char* key, Text value) {
  return value == boolean_text(true) ? Status() : refuse(key, "can only be Yes", value);
}

Status TargetParser::take_only_no(const char* key, Text value) {
  return value == boolean_text(false) ? Status() : refuse(key, "can only be No", value);
}

Status TargetParser::take_only_zero(const char* key, Text value) {
  return value == Text("0") ? Status() : refuse(key, "can only be 0", value);
}

Status TargetParser::take_marker_interval(const char* key, Text value) {
  uint32_t ignored = 0;
  return take_number(key, value, 1, 65535, &ignored);
}

Status TargetParser::take_digests(const char* key, Text value, DigestChoice* digests) {
  WordList words(value);
  for (Text word; words.next(&word);) {
    DigestType digest = DigestType::kNone;
    if (!parse_digest(word, &digest) || !digests->add(digest)) {
      return refuse(key, "wants None and CRC32C, each at most once", value);
    }
  }
  return {};
}

Status TargetParser::take_header_digest(const char* key, Text value) {
  return take_digests(key, value, &settings_.header_digests_);
}

Status TargetParser::take_data_digest(const char* key, Text value) {
  return take_digests(key, value, &settings_.data_digests_);
}

Status TargetParser::take_auth_methods(const char* key, Text value) {
  WordList words(value);
  for (Text word; words.next(&word);) {
    AuthMethod method = AuthMethod::kNone;
    if (!parse_auth_method(word, &method) || !methods_.add(method)) {
      return refuse(key, "wants None and CHAP, each at most once", value);
    }
  }
  return {};
}

Status TargetParser::take_initiator_accounts(const char* key, Text value) {
  return settings_.auth_.add_initiators(key, value, &error_);
}

Status TargetParser::take_target_account(const char* key, Text value) {
  return parse_chap_account(key, value, &settings_.auth_.target, &error_);
}

Status TargetParser::take_challenge_length(const char* key, Text value) {
  return take_number(key, value, kMinChallengeLength, kMaxChallengeLength,
                     &settings_.auth_.challenge_length);
}

Status TargetParser::take_chap_policy(const char* key, Text value) {
  const bool mutual = value == Text("Mutual");
  if (!mutual && value != Text("Oneway")) return refuse(key, "wants Oneway or Mutual", value);
  settings_.auth_.policy = mutual ? ChapPolicy::kMutual : ChapPolicy::kOneway;
  return {};
}

Status TargetParser::take_portal_group(const char*, Text value) {
  PortalGroupSettings group;
  CHISCSI_TRY(parse_portal_group(value, &group, &error_));
  return settings_.portal_groups_.append(std::move(group));
}

Status TargetParser::take_shadow_mode(const char* key, Text value) {
  return take_flag(key, value, &settings_.shadow_mode_);
}

Status TargetParser::take_max_commands(const char* key, Text value) {
  settings_.has_max_commands_ = true;
  return take_number(key, value, 1, kMaxSessionCommands, &settings_.max_commands_);
}

Status TargetParser::take_device(const char*, Text value) {
  TargetDeviceSettings device;
  CHISCSI_TRY(parse_target_device(value, &device, &error_));
  CHISCSI_TRY(device_pairs_.append(pair_));
  return settings_.devices_.append(device);
}

Status TargetParser::take_acl_enable(const char* key, Text value) {
  return take_flag(key, value, &settings_.acl_enabled_);
}

Status TargetParser::take_acl(const char*, Text value) {
  AccessRule rule;
  CHISCSI_TRY(parse_access_rule(value, &rule, &error_));
  CHISCSI_TRY(settings_.acl_lines_.append(value));
  return settings_.acl_.append(std::move(rule));
}

Status TargetParser::take_registers_isns(const char* key, Text value) {
  return take_flag(key, value, &settings_.registers_isns_);
}

Result<Ref<TargetSettings>> TargetSettings::parse(Text target_name, Bytes buffer,
                                                  const TargetParseOptions& options,
                                                  ConfigError* error, ConfigErrors* all) {
  error->clear();
  auto settings = Ref<TargetSettings>::adopt(make<TargetSettings>(Alloc::kMaySleep));
  if (!settings) return Error::kNoMemory;
  TargetParser parser(*settings, options, *error, all);
  const Status status = parser.run(target_name, buffer);
  if (!status.is_ok()) return status.error();
  return settings;
}

bool TargetSettings::knows(Text key) { return TargetParser::knows(key); }

void TargetSettings::offer_keys(KeyHint* hint) { TargetParser::offer_keys(hint); }

}  // namespace chiscsi
