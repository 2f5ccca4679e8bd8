// SPDX-License-Identifier: GPL-2.0-only
//
// See initiator_list.hh.
#include "target/config/initiator_list.hh"

#include "target/config/key_table.hh"

namespace chiscsi {

namespace initiator_list_detail {

// Less than, equal to or more than 0, as of memcmp(); a name comes before those it is the start of.
int compare(Text a, Text b) {
  const size_t common = a.size() < b.size() ? a.size() : b.size();
  const int difference = common == 0 ? 0 : __builtin_memcmp(a.data(), b.data(), common);
  if (difference != 0 || a.size() == b.size()) return difference;
  return a.size() < b.size() ? -1 : 1;
}

}  // namespace initiator_list_detail

Result<Ref<InitiatorList>> InitiatorList::create(unsigned long holder, uint64_t version,
                                                 Bytes strings, ConfigError* why) {
  auto list = Ref<InitiatorList>::adopt(make<InitiatorList>(Alloc::kMaySleep, holder, version));
  if (!list) return Error::kNoMemory;
  CHISCSI_TRY(list->text_.assign(strings));
  for (Text rest = list->text_.text(); !rest.empty();) {
    Text value = rest.take_until('\0');
    if (value.take_until('=') != Text("initiator")) continue;
    CHISCSI_TRY(list->add(value, why));
  }
  return list;
}

Status InitiatorList::add(Text name, ConfigError* why) {
  if (names_.size() == kMaxNames) {
    why->at("initiator").add("more than ").add_number(kMaxNames).add(" of them");
    return Error::kTooBig;
  }
  const char* wrong = nullptr;
  if (!is_iscsi_name(name)) {
    wrong = "bad initiator name ";
  } else if (!names_.empty() && initiator_list_detail::compare(names_.back(), name) >= 0) {
    wrong = "not behind the name before it: ";
  }
  if (wrong == nullptr) return names_.append(name);
  why->at("initiator").add(wrong).add_quoted(name);
  return Error::kInvalid;
}

bool InitiatorList::has(Text name) const {
  size_t first = 0, end = names_.size();
  while (first != end) {
    const size_t middle = first + (end - first) / 2;
    const int order = initiator_list_detail::compare(names_[middle], name);
    if (order == 0) return true;
    if (order < 0) {
      first = middle + 1;
    } else {
      end = middle;
    }
  }
  return false;
}

LoginGrant check_login(const TargetSettings& settings, const InitiatorList* listed,
                       AclSourceOrder order, const AccessSubject& subject) {
  const bool isns_is_next = order == AclSourceOrder::kIsns || settings.acl().empty();
  if (settings.acl_enabled() && listed != nullptr && isns_is_next) {
    return listed->has(subject.initiator_name) ? LoginGrant::kByIsns : LoginGrant::kRefused;
  }
  return settings.may_log_in(subject) ? LoginGrant::kByAcl : LoginGrant::kRefused;
}

}  // namespace chiscsi
