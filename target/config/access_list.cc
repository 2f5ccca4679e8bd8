// SPDX-License-Identifier: GPL-2.0-only
//
// See access_list.hh.
#include "target/config/access_list.hh"

#include "target/config/address.hh"
#include "target/config/key_table.hh"
#include "target/config/number.hh"
#include "target/config/word_list.hh"

namespace chiscsi {

namespace access_list_detail {

constexpr char kKey[] = "ACL";

Status bad(ConfigError* error, Text what, Text value) {
  error->at(kKey).add(what).add(" ").add_quoted(value);
  return Error::kInvalid;
}

Status parse_names(Text list, AccessRule* rule, ConfigError* error) {
  WordList words(list);
  for (Text name; words.next(&name);) {
    if (!is_iscsi_name(name))
      return bad(error, "iname= wants names like iqn.2026-11.org.example:host, not", name);
    CHISCSI_TRY(rule->initiator_names.append(name));
  }
  return {};
}

Status parse_addresses(Text field, Text list, GrowableArray<os_address>* addresses,
                       ConfigError* error) {
  WordList words(list);
  for (Text word; words.next(&word);) {
    // Brackets around IPv6 are optional here: there is no port to tell apart.
    if (word.size() > 2 && word[0] == '[' && word[word.size() - 1] == ']') {
      word = word.skip(1).first(word.size() - 2);
    }
    os_address address = {};
    if (!parse_ip(word, &address)) {
      error->at(kKey).add(field).add("= wants IPv4 or IPv6 addresses without a port, not ");
      error->add_quoted(word);
      return Error::kInvalid;
    }
    // An IPv4-mapped one is IPv4: that is how connections have it.
    CHISCSI_TRY(addresses->append(address_from_bytes(address.ip, address.port)));
  }
  return {};
}

bool parse_range(Text word, LunRange* range) {
  const bool is_range = word.find('~') != Text::kNotFound;
  const Text first = word.take_until('~');
  const Text last = is_range ? word : first;
  return parse_number_in_range(first, NumberSyntax::kDecimal, 0, kMaxConfiguredLun,
                               &range->first) &&
         parse_number_in_range(last, NumberSyntax::kDecimal, range->first, kMaxConfiguredLun,
                               &range->last);
}

bool parse_permission(Text word, LunAccess* access) {
  if (word == Text("R")) {
    *access = LunAccess::kReadOnly;
  } else if (word == Text("RW") || word == Text("WR")) {
    *access = LunAccess::kReadWrite;
  } else {
    return false;
  }
  return true;
}

Status parse_luns(Text value, AccessRule* rule, ConfigError* error) {
  Text list = value;
  const bool has_permission = list.find(':') != Text::kNotFound;
  const Text luns = list.take_until(':');
  if (has_permission && !parse_permission(list, &rule->access)) {
    return bad(error, "the permission has to be R, RW or WR, not", list);
  }
  if (luns == Text("ALL")) return {};
  WordList words(luns);
  for (Text word; words.next(&word);) {
    LunRange range = {};
    if (!parse_range(word, &range)) {
      error->at(kKey).add("lun= wants ALL, or N and N~M from 0 to ").add_number(kMaxConfiguredLun);
      error->add(", not ").add_quoted(word);
      return Error::kInvalid;
    }
    CHISCSI_TRY(rule->luns.append(range));
  }
  return {};
}

enum class Field : uint8_t { kInitiatorName, kInitiatorAddress, kTargetAddress, kLun, kCount };
constexpr const char* kFieldNames[] = {"iname", "sip", "dip", "lun"};

bool find_field(Text name, Field* field) {
  for (size_t i = 0; i < static_cast<size_t>(Field::kCount); ++i) {
    if (name == Text(kFieldNames[i])) {
      *field = static_cast<Field>(i);
      return true;
    }
  }
  return false;
}

Status parse_field(Field field, Text list, AccessRule* rule, ConfigError* error) {
  const Text name = kFieldNames[static_cast<size_t>(field)];
  switch (field) {
    case Field::kInitiatorName:
      return parse_names(list, rule, error);
    case Field::kInitiatorAddress:
      return parse_addresses(name, list, &rule->initiator_addresses, error);
    case Field::kTargetAddress:
      return parse_addresses(name, list, &rule->target_addresses, error);
    default:
      return parse_luns(list, rule, error);
  }
}

bool matches(const GrowableArray<os_address>& addresses, const os_address& wanted) {
  if (addresses.empty()) return true;
  for (const os_address& address : addresses) {
    if (same_ip(address, wanted)) return true;
  }
  return false;
}

}  // namespace access_list_detail

bool AccessRule::applies_to(const AccessSubject& subject) const {
  return (initiator_names.empty() || initiator_names.contains(subject.initiator_name)) &&
         access_list_detail::matches(initiator_addresses, subject.initiator) &&
         access_list_detail::matches(target_addresses, subject.target);
}

bool AccessRule::covers(uint32_t lun) const {
  if (luns.empty()) return true;
  for (const LunRange& range : luns) {
    if (lun >= range.first && lun <= range.last) return true;
  }
  return false;
}

Status parse_access_rule(Text value, AccessRule* rule, ConfigError* error) {
  namespace detail = access_list_detail;
  bool seen[static_cast<size_t>(detail::Field::kCount)] = {};
  WordList fields(value, ';');
  for (Text whole; fields.next(&whole);) {
    Text list = whole;
    detail::Field field = detail::Field::kCount;
    if (!detail::find_field(list.take_until('='), &field) || list.empty()) {
      return detail::bad(error, "fields are iname=, sip=, dip= and lun=, not", whole);
    }
    bool& again = seen[static_cast<size_t>(field)];
    if (again) return detail::bad(error, "field given twice", whole);
    again = true;
    CHISCSI_TRY(detail::parse_field(field, list, rule, error));
  }
  if (rule->initiator_names.empty() && rule->initiator_addresses.empty() &&
      rule->target_addresses.empty()) {
    return detail::bad(error, "at least one of iname=, sip= and dip= has to be in", value);
  }
  return {};
}

}  // namespace chiscsi
