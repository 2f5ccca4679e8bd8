// SPDX-License-Identifier: GPL-2.0-only
//
// See fake_door.hh.
#include "fake_door.hh"

#include <algorithm>

namespace iscsictl {

namespace {

chiscsi::Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string value_of(std::string_view buffer, const std::string& key) {
  while (!buffer.empty()) {
    const std::string_view pair = buffer.substr(0, buffer.find('\0'));
    buffer.remove_prefix(pair.size() + 1);
    if (pair.substr(0, key.size() + 1) == key + "=")
      return std::string(pair.substr(key.size() + 1));
  }
  return {};
}

Reply failure(int error, std::string why = {}) {
  Reply reply;
  reply.error = error;
  reply.why = std::move(why);
  return reply;
}

std::string masked(const std::string& pair) {
  const size_t secret = pair.find("\":\"");
  const bool is_account =
      pair.rfind("Auth_CHAP_Initiator=", 0) == 0 || pair.rfind("Auth_CHAP_Target=", 0) == 0;
  return is_account && secret != pair.npos ? pair.substr(0, secret) + "\":\"***\"" : pair;
}

}  // namespace

Reply FakeDoor::ask_raw(unsigned op, std::string_view buffer, unsigned flags) {
  asked.push_back(op);
  if (buffer.size() > CHISCSI_CONTROL_MAX_INPUT) return failure(E2BIG, "too many keys");
  const std::string name = value_of(buffer, "target");
  const bool excludes_others = op == CHISCSI_CONTROL_TARGET_START ||
                               op == CHISCSI_CONTROL_TARGET_STOP || op == CHISCSI_CONTROL_LUN_FLUSH;
  if (excludes_others && busy != 0) {
    if (--busy == 0 && !keeps_target) targets.clear();
    return failure(EINPROGRESS, "somebody else is at it");
  }
  switch (op) {
    case CHISCSI_CONTROL_VERSIONS:
      return {0, {}, {{{{"module", "1.2.3"}, {"api", "66817"}, {"control", "1"}}}}};
    case CHISCSI_CONTROL_TARGET_START:
      return start(buffer);
    case CHISCSI_CONTROL_TARGET_STOP:
      if (is_of_driver(name)) return failure(EPERM, "the target belongs to a storage driver");
      return targets.erase(name) == 1 ? Reply() : failure(ENOENT, "no such target");
    case CHISCSI_CONTROL_TARGET_LIST:
      return list(name);
    case CHISCSI_CONTROL_TARGET_CONFIG:
      return show(name, (flags & CHISCSI_CONTROL_SECRETS) != 0);
    case CHISCSI_CONTROL_GLOBAL_GET: {
      chiscsi::TextBuilder text;
      globals->print(&text, (flags & CHISCSI_CONTROL_SECRETS) != 0);
      return {0, {}, parse_records({text.text().data(), text.size()})};
    }
    case CHISCSI_CONTROL_GLOBAL_SET:
      return set_globals(buffer, flags);
    case CHISCSI_CONTROL_SESSION_LIST:
      if (targets.count(name) == 0) return failure(ENOENT, "no such target");
      return {0, {}, targets[name].sessions};
    case CHISCSI_CONTROL_SESSION_DROP:
      return value_of(buffer, "session") == "0x3" ? Reply() : failure(ENOENT, "no such session");
    case CHISCSI_CONTROL_STATISTICS:
      return {
          0, {}, std::count(asked.begin(), asked.end(), op) == 1 ? statistics : later_statistics};
    case CHISCSI_CONTROL_LUN_FLUSH:
      if (targets.count(name) == 0) return failure(ENOENT, "no such target");
      if (is_of_driver(name)) return failure(EOPNOTSUPP, "known to its storage driver alone");
      if (value_of(buffer, "lun") == "9") return failure(ENOENT, "no LUN 9");
      return {};
    case CHISCSI_CONTROL_ALUA_SET:
      if (targets.count(name) == 0) return failure(ENOENT, "no such target");
      return set_access(targets[name], buffer);
    case CHISCSI_CONTROL_ISNS_ALLOW:
      if (targets.count(name) == 0) return failure(ENOENT, "no such target");
      return allow(targets[name], buffer);
    case CHISCSI_CONTROL_ISNS_FORGET:
      if (targets.count(name) == 0) return failure(ENOENT, "no such target");
      if (has_other_holder) return failure(EBUSY, "another process");
      targets[name].allowed.reset();
      return {};
    case CHISCSI_CONTROL_TARGET_STATE:
      if (targets.count(name) == 0) return failure(ENOENT, "no such target");
      return state_of(name, targets[name]);
    default:
      return failure(EOPNOTSUPP, "unknown operation");
  }
}

Reply FakeDoor::start(std::string_view buffer) {
  chiscsi::ConfigError error;
  const auto settings = chiscsi::TargetSettings::parse({}, bytes_of(buffer), {}, &error);
  if (!settings.is_ok()) return failure(EINVAL, error.c_str());
  const std::string name = value_of(buffer, "TargetName");
  if (value_of(buffer, "TargetDevice") == "/dev/absent") return failure(ENODEV, "no such device");
  if (value_of(buffer, "TargetDevice") == "/dev/mounted") return failure(EBUSY, "it is in use");
  const bool is_active = targets.count(name) != 0;
  FakeTarget& target = targets[name];
  if (!is_active) target.id = next_id_++;
  target.keys.clear();
  while (!buffer.empty()) {
    target.keys.emplace_back(buffer.substr(0, buffer.find('\0')));
    buffer.remove_prefix(target.keys.back().size() + 1);
  }
  return {0, {}, {{{{"result", is_active ? "reloaded" : "started"}}}}};
}

Reply FakeDoor::list(const std::string& name) {
  Reply reply;
  for (const auto& [known, target] : targets) {
    if (!name.empty() && known != name) continue;
    reply.records.push_back({{{"target", known},
                              {"id", std::to_string(target.id)},
                              {"class", "chiscsi"},
                              {"owner", target.owner},
                              {"sessions", std::to_string(target.sessions.size())},
                              {"luns", "1"}}});
  }
  // The module's order is its own.
  std::reverse(reply.records.begin(), reply.records.end());
  return name.empty() || !reply.records.empty() ? reply : failure(ENOENT, "no such target");
}

Reply FakeDoor::show(const std::string& name, bool secrets) {
  if (targets.count(name) == 0) return failure(ENOENT, "no such target");
  Record record;
  for (const std::string& key : targets[name].keys) {
    std::string pair = secrets ? key : masked(key);
    if (pair.rfind("TargetDevice=", 0) == 0 && !secrets) {
      if (pair.find(",PROD=") == pair.npos) pair += ",PROD=CHISCSI Target";
      pair += ",SN=0N0743000000000,ID=abc,WWN=0123456789ABCDEF";
    }
    record.fields.emplace_back(pair.substr(0, pair.find('=')), pair.substr(pair.find('=') + 1));
  }
  return {0, {}, {record}};
}

Reply FakeDoor::set_access(FakeTarget& target, std::string_view buffer) {
  const std::string group = value_of(buffer, "group"), state = value_of(buffer, "state");
  if (group != "1") return failure(ENOENT, "group: wants a portal group of the target");
  if (state.empty()) return failure(EINVAL, "\"state\": is missing");
  target.access[group] = state;
  return {};
}

Reply FakeDoor::allow(FakeTarget& target, std::string_view buffer) {
  if (has_other_holder) return failure(EBUSY, "another process");
  chiscsi::ConfigError error;
  const uint64_t version = std::stoull(value_of(buffer, "version"));
  if (target.allowed && target.allowed->version() >= version) return failure(ESTALE, "too old");
  auto list = chiscsi::InitiatorList::create(1, version, bytes_of(buffer), &error);
  if (!list.is_ok()) return failure(static_cast<int>(list.error()), error.c_str());
  target.allowed = list.take();
  return {};
}

Reply FakeDoor::state_of(const std::string& name, const FakeTarget& target) {
  Record record{{{"target", name}}};
  const auto set = target.access.find("1");
  record.fields.emplace_back("access",
                             "1:" + (set == target.access.end() ? "optimized" : set->second));
  if (target.allowed) {
    record.fields.emplace_back("isns_version", std::to_string(target.allowed->version()));
    for (const chiscsi::Text allowed : target.allowed->names())
      record.fields.emplace_back("isns_initiator", std::string(allowed.data(), allowed.size()));
  }
  return {0, {}, {record}};
}

Reply FakeDoor::set_globals(std::string_view buffer, unsigned flags) {
  chiscsi::ConfigError error;
  auto fresh = (flags & CHISCSI_CONTROL_DEFAULTS) != 0
                   ? chiscsi::GlobalSettings::parse(bytes_of(buffer), &error)
                   : chiscsi::GlobalSettings::update(*globals, bytes_of(buffer), &error);
  if (!fresh.is_ok()) return failure(EINVAL, error.c_str());
  globals = fresh.take();
  if (globals->offload_mode() != chiscsi::OffloadMode::kToe) return {};
  return {0, {}, {{{{"warning", "iscsi_offload_mode: TOE means the same as AUTO"}}}}};
}

}  // namespace iscsictl
