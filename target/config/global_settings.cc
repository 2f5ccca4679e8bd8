// SPDX-License-Identifier: GPL-2.0-only
//
// See global_settings.hh. One row per key names the functions that take and that print its value,
// so that what is printed can be read again. Every refusal names the key and what is allowed.
#include "target/config/global_settings.hh"

#include "target/config/address.hh"
#include "target/config/block_parser.hh"

namespace chiscsi {

class GlobalParser : public BlockParser<GlobalParser, 15> {
 public:
  GlobalParser(GlobalSettings& settings, ConfigError& error, ConfigErrors* all)
      : BlockParser(error, all), settings_(settings) {}

  // Reads `buffer`, of which the settings keep a copy. `may_clear`: an empty value takes away.
  Status run(Bytes buffer, bool may_clear) {
    return read(buffer, "global", may_clear, &settings_.text_);
  }
  static void print(const GlobalSettings& settings, TextBuilder* out, bool secrets, char end,
                    const bool* skip);
  // Marks in `seen` the rows whose keys are in `buffer`.
  static void mark_keys(Bytes buffer, bool* seen);

 private:
  friend BlockParser;
  struct Printer {
    TextBuilder& out;
    const char* key;
    bool secrets;
    char end;
    TextBuilder& begin() const { return out.add(key).add('='); }
    void line(Text value) const { begin().add(value).add(end); }
  };
  struct Row : KeyRow<GlobalParser> {
    void (*print)(const GlobalSettings& settings, const Printer& to);
  };
  static const Row kRows[kRowCount];

  Status check_all() { return settings_.auth_.check(false, &error_, "DISC_"); }

  Status take_auth_order(const char* key, Text value);
  Status take_auth_method(const char* key, Text value);
  Status take_chap_policy(const char* key, Text value);
  Status take_initiators(const char* key, Text value);
  Status take_target_account(const char* key, Text value);
  Status take_chelsio_initiator(const char* key, Text value);
  Status take_vendor_id(const char* key, Text value);
  Status take_login_time(const char* key, Text value);
  Status take_offload_mode(const char* key, Text value);
  Status take_acl_order(const char* key, Text value);
  Status take_ha_mode(const char* key, Text value);
  Status take_verbose_level(const char* key, Text value);
  Status take_isns_server(const char* key, Text value);
  Status take_isns_id(const char* key, Text value);
  Status take_isns_query(const char* key, Text value);

  template <typename E, size_t N>
  Status take_choice(const char* key, Text value, const char* const (&names)[N], E* choice);
  Status take_text(const char* key, Text value, uint32_t max_length, Text* text);

  GlobalSettings& settings_;
};

namespace global_settings_detail {

// Each in the order of its enumeration.
constexpr const char* kAuthOrders[] = {"CHAP", "ACL"};
constexpr const char* kAuthMethods[] = {"None", "CHAP"};
constexpr const char* kPolicies[] = {"Oneway", "Mutual"};
constexpr const char* kOffloadModes[] = {"AUTO", "TOE", "ULP"};
constexpr const char* kAclOrders[] = {"CONFIG", "ISNS"};
constexpr const char* kSwitch[] = {"No", "Yes"};

constexpr uint32_t kMaxIsnsQuery = 86400;

bool is_visible(Text text) {
  for (const char c : text) {
    if (c < ' ' || c > '~') return false;
  }
  return true;
}

bool parse_mask(Text text, uint32_t* mask) {
  if (text.starts_with("0x") || text.starts_with("0X")) text = text.skip(2);
  if (text.empty() || text.size() > 8) return false;
  uint32_t value = 0;
  for (const char c : text) {
    const int digit = hex_digit_value(c);
    if (digit < 0) return false;
    value = value << 4 | static_cast<uint32_t>(digit);
  }
  *mask = value;
  return true;
}

bool parse_isns_address(Text text, os_address* server) {
  const bool in_brackets = text.size() > 2 && text[0] == '[' && text[text.size() - 1] == ']';
  if (parse_ip(in_brackets ? text.skip(1).first(text.size() - 2) : text, server)) {
    server->port = kIsnsPort;
    return true;
  }
  return parse_ip_and_port(text, server);
}

}  // namespace global_settings_detail

constexpr GlobalParser::Row GlobalParser::kRows[] = {
    {{"iscsi_auth_order", kKeyOnce, &GlobalParser::take_auth_order},
     [](const GlobalSettings& s, const Printer& to) {
       to.line(global_settings_detail::kAuthOrders[static_cast<size_t>(s.auth_order_)]);
     }},
    {{"DISC_AuthMethod", kKeyOnce, &GlobalParser::take_auth_method},
     [](const GlobalSettings& s, const Printer& to) {
       to.line(auth_method_text(s.auth_.methods[0]));
     }},
    {{"DISC_Auth_CHAP_Policy", kKeyOnce, &GlobalParser::take_chap_policy},
     [](const GlobalSettings& s, const Printer& to) {
       to.line(global_settings_detail::kPolicies[static_cast<size_t>(s.auth_.policy)]);
     }},
    {{"DISC_Auth_CHAP_Initiator", kKeyRepeats | kKeyClears, &GlobalParser::take_initiators},
     [](const GlobalSettings& s, const Printer& to) {
       for (const ChapAccount& account : s.auth_.initiators) {
         print_chap_account(account, to.secrets, &to.begin());
         to.out.add(to.end);
       }
     }},
    {{"DISC_Auth_CHAP_Target", kKeyClears, &GlobalParser::take_target_account},
     [](const GlobalSettings& s, const Printer& to) {
       if (!s.auth_.has_target_account()) return;
       print_chap_account(s.auth_.target, to.secrets, &to.begin());
       to.out.add(to.end);
     }},
    {{"iscsi_chelsio_ini_idstr", kKeyOnce, &GlobalParser::take_chelsio_initiator},
     [](const GlobalSettings& s, const Printer& to) { to.line(s.chelsio_initiator_); }},
    {{"iscsi_target_vendor_id", kKeyOnce, &GlobalParser::take_vendor_id},
     [](const GlobalSettings& s, const Printer& to) { to.line(s.vendor_id_); }},
    {{"iscsi_login_complete_time", kKeyOnce, &GlobalParser::take_login_time},
     [](const GlobalSettings& s, const Printer& to) {
       to.begin().add_number(s.login_time_s_).add(to.end);
     }},
    {{"iscsi_offload_mode", kKeyOnce, &GlobalParser::take_offload_mode},
     [](const GlobalSettings& s, const Printer& to) {
       to.line(global_settings_detail::kOffloadModes[static_cast<size_t>(s.offload_mode_)]);
     }},
    {{"iscsi_acl_order", kKeyOnce, &GlobalParser::take_acl_order},
     [](const GlobalSettings& s, const Printer& to) {
       to.line(global_settings_detail::kAclOrders[static_cast<size_t>(s.acl_order_)]);
     }},
    {{"iscsi_HA_mode", kKeyOnce, &GlobalParser::take_ha_mode},
     [](const GlobalSettings& s, const Printer& to) { to.line(boolean_text(s.ha_mode_)); }},
    {{"iscsi_verbose_level", kKeyOnce, &GlobalParser::take_verbose_level},
     [](const GlobalSettings& s, const Printer& to) {
       to.begin().add_hex(s.message_mask_).add(',').add_hex(s.debug_mask_).add(to.end);
     }},
    {{"isns_server", kKeyClears, &GlobalParser::take_isns_server},
     [](const GlobalSettings& s, const Printer& to) {
       if (s.has_isns_server()) to.line(format_ip_and_port(s.isns_server_).text());
     }},
    {{"isns_id", kKeyClears, &GlobalParser::take_isns_id},
     [](const GlobalSettings& s, const Printer& to) {
       if (!s.isns_id_.empty()) to.line(s.isns_id_);
     }},
    {{"isns_query", kKeyOnce, &GlobalParser::take_isns_query},
     [](const GlobalSettings& s, const Printer& to) {
       to.begin().add_number(s.isns_query_s_).add(to.end);
     }},
};

void GlobalParser::print(const GlobalSettings& settings, TextBuilder* out, bool secrets, char end,
                         const bool* skip) {
  for (size_t row = 0; row < kRowCount; ++row) {
    if (skip == nullptr || !skip[row]) {
      kRows[row].print(settings, Printer{*out, kRows[row].key, secrets, end});
    }
  }
}

void GlobalParser::mark_keys(Bytes buffer, bool* seen) {
  for (Text rest(reinterpret_cast<const char*>(buffer.data()), buffer.size()); !rest.empty();) {
    Text pair = rest.take_until('\0');
    const size_t row = find_row(pair.take_until('='));
    if (row != kRowCount) seen[row] = true;
  }
}

template <typename E, size_t N>
Status GlobalParser::take_choice(const char* key, Text value, const char* const (&names)[N],
                                 E* choice) {
  for (size_t i = 0; i < N; ++i) {
    if (value != Text(names[i])) continue;
    *choice = static_cast<E>(i);
    return {};
  }
  error_.at(key).add("wants ");
  for (size_t i = 0; i < N; ++i)
    error_.add(i == 0 ? "" : i + 1 == N ? " or " : ", ").add(names[i]);
  error_.add(", not ").add_quoted(value);
  return Error::kInvalid;
}

Status GlobalParser::take_text(const char* key, Text value, uint32_t max_length, Text* text) {
  if (value.empty() || value.size() > max_length || !global_settings_detail::is_visible(value)) {
    error_.at(key).add("wants 1 to ").add_number(max_length).add(" printable characters, not ");
    error_.add_quoted(value);
    return Error::kInvalid;
  }
  *text = value;
  return {};
}

Status GlobalParser::take_auth_order(const char* key, Text value) {
  return take_choice(key, value, global_settings_detail::kAuthOrders, &settings_.auth_order_);
}

Status GlobalParser::take_auth_method(const char* key, Text value) {
  AuthMethod method = AuthMethod::kNone;
  CHISCSI_TRY(take_choice(key, value, global_settings_detail::kAuthMethods, &method));
  settings_.auth_.methods = AuthChoice(method);
  return {};
}

Status GlobalParser::take_chap_policy(const char* key, Text value) {
  return take_choice(key, value, global_settings_detail::kPolicies, &settings_.auth_.policy);
}

Status GlobalParser::take_initiators(const char* key, Text value) {
  return settings_.auth_.add_initiators(key, value, &error_);
}

Status GlobalParser::take_target_account(const char* key, Text value) {
  return parse_chap_account(key, value, &settings_.auth_.target, &error_);
}

Status GlobalParser::take_chelsio_initiator(const char* key, Text value) {
  return take_text(key, value, kMaxGlobalText, &settings_.chelsio_initiator_);
}

Status GlobalParser::take_vendor_id(const char* key, Text value) {
  return take_text(key, value, kMaxVendorId, &settings_.vendor_id_);
}

Status GlobalParser::take_login_time(const char* key, Text value) {
  return take_number(key, value, 0, kMaxLoginTime, &settings_.login_time_s_);
}

Status GlobalParser::take_offload_mode(const char* key, Text value) {
  return take_choice(key, value, global_settings_detail::kOffloadModes, &settings_.offload_mode_);
}

Status GlobalParser::take_acl_order(const char* key, Text value) {
  return take_choice(key, value, global_settings_detail::kAclOrders, &settings_.acl_order_);
}

Status GlobalParser::take_ha_mode(const char* key, Text value) {
  return take_choice(key, value, global_settings_detail::kSwitch, &settings_.ha_mode_);
}

Status GlobalParser::take_verbose_level(const char* key, Text value) {
  Text debug = value;
  const bool has_debug = debug.find(',') != Text::kNotFound;
  uint32_t debug_mask = 0;
  if (!global_settings_detail::parse_mask(debug.take_until(','), &settings_.message_mask_) ||
      (has_debug && !global_settings_detail::parse_mask(debug, &debug_mask))) {
    return refuse(key, "wants two hexadecimal masks like 0xf,0xc82000 or the first alone", value);
  }
  settings_.debug_mask_ = debug_mask;
  return {};
}

Status GlobalParser::take_isns_server(const char* key, Text value) {
  if (global_settings_detail::parse_isns_address(value, &settings_.isns_server_)) return {};
  return refuse(key, "wants an address like 192.0.2.1, 192.0.2.1:3205 or [2001:db8::1]:3205",
                value);
}

Status GlobalParser::take_isns_id(const char* key, Text value) {
  return take_text(key, value, kMaxGlobalText, &settings_.isns_id_);
}

Status GlobalParser::take_isns_query(const char* key, Text value) {
  return take_number(key, value, 1, global_settings_detail::kMaxIsnsQuery,
                     &settings_.isns_query_s_);
}

Result<Ref<GlobalSettings>> GlobalSettings::parse(Bytes buffer, ConfigError* error,
                                                  ConfigErrors* all) {
  error->clear();
  auto settings = Ref<GlobalSettings>::adopt(make<GlobalSettings>(Alloc::kMaySleep));
  if (!settings) return Error::kNoMemory;
  const Status status = GlobalParser(*settings, *error, all).run(buffer, false);
  if (!status.is_ok()) return status.error();
  return settings;
}

Result<Ref<GlobalSettings>> GlobalSettings::update(const GlobalSettings& current, Bytes buffer,
                                                   ConfigError* error) {
  error->clear();
  bool changed[GlobalParser::kRowCount] = {};
  GlobalParser::mark_keys(buffer, changed);
  TextBuilder merged;
  GlobalParser::print(current, &merged, true, '\0', changed);
  merged.add({reinterpret_cast<const char*>(buffer.data()), buffer.size()});
  auto settings = Ref<GlobalSettings>::adopt(make<GlobalSettings>(Alloc::kMaySleep));
  if (!settings || !merged.is_ok()) return Error::kNoMemory;
  const Status status = GlobalParser(*settings, *error, nullptr).run(merged.text().bytes(), true);
  if (!status.is_ok()) return status.error();
  return settings;
}

bool GlobalSettings::knows(Text key) { return GlobalParser::knows(key); }

void GlobalSettings::offer_keys(KeyHint* hint) { GlobalParser::offer_keys(hint); }

void GlobalSettings::print(TextBuilder* out, bool secrets, char end) const {
  GlobalParser::print(*this, out, secrets, end, nullptr);
}

}  // namespace chiscsi
