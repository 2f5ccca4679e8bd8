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
  const std::string name = value_of(buffer, "target");
  const bool changes = op == CHISCSI_CONTROL_TARGET_START || op == CHISCSI_CONTROL_TARGET_STOP;
  if (changes && busy != 0) {
    if (--busy == 0) targets.clear();
    return failure(EBUSY, "somebody else is at it");
  }
  switch (op) {
    case CHISCSI_CONTROL_VERSIONS:
      return {0, {}, {{{{"module", "1.2.3"}, {"api", "66817"}, {"control", "1"}}}}};
    case CHISCSI_CONTROL_TARGET_START:
      return start(buffer);
    case CHISCSI_CONTROL_TARGET_STOP:
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
    case CHISCSI_CONTROL_LUN_FLUSH:
      if (targets.count(name) == 0) return failure(ENOENT, "no such target");
      if (value_of(buffer, "lun") == "9") return failure(ENOENT, "no LUN 9");
      return {};
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
    if (pair.rfind("TargetDevice=", 0) == 0) {
      pair += ",PROD=CHISCSI Target,SN=0N0743000000000,ID=abc,WWN=0123456789ABCDEF";
    }
    record.fields.emplace_back(pair.substr(0, pair.find('=')), pair.substr(pair.find('=') + 1));
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
