// SPDX-License-Identifier: GPL-2.0-only
//
// Fuzzer of a target's configuration.
//
// Input: the buffer of chiscsi_target_add(), in which a newline may stand for the NUL byte. Oracles
// beside crashes: a refusal has a printable, bounded line that names a key, values of a good
// configuration are in range and its addresses survive being written and read again, a snapshot may
// replace itself, and no memory is left.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "host.hh"
#include "target/config/address.hh"
#include "target/config/target_settings.hh"

namespace {

using namespace chiscsi;

constexpr char kName[] = "iqn.2026-11.org.example:disk0";

void require(bool condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "config_fuzz: %s\n", what);
  abort();
}

void check_refusal(Error code, const ConfigError& error) {
  require(code == Error::kInvalid, "refused for another reason");
  const std::string line = error.c_str();
  require(line.size() < 200 && line.find(": ") != std::string::npos, "no line that names a key");
  for (const char c : line)
    require(c >= ' ' && c <= '~', "unprintable character in a line");
}

void check_addresses(const TargetSettings& settings) {
  for (const PortalGroupSettings& group : settings.portal_groups()) {
    require(group.tag != 0 && !group.portals.empty(), "group without tag or portal");
    for (const os_address& portal : group.portals) {
      os_address again = {};
      require(parse_ip_and_port(format_ip_and_port(portal).text(), &again), "unreadable address");
      require(same_endpoint(portal, again), "address changed on the way");
    }
    for (uint32_t turn = 0; turn < 5; ++turn) {
      require((settings.redirect_portal(group, turn) != nullptr) == group.redirects(),
              "redirection");
    }
  }
}

void check_values(const TargetSettings& settings) {
  for (const KeyInfo& info : key_table()) {
    if (info.number == nullptr) continue;
    const uint32_t value = settings.session_keys().*info.number;
    require(value >= info.minimum && value <= info.maximum, info.name.data());
  }
  require(settings.max_commands() >= 1 && settings.max_commands() <= kMaxSessionCommands, "window");
  require(!settings.header_digests().empty() && !settings.data_digests().empty(), "digests");
  const AuthSettings& auth = settings.auth();
  require(!auth.methods.empty(), "no method");
  require(auth.methods.contains(AuthMethod::kNone) || !auth.initiators.empty(),
          "nobody can log in");
  for (const ChapAccount& account : auth.initiators) {
    require(account.secret.size() >= 6 && account.secret.size() <= 255, "secret");
    require(account.secret != auth.target.secret, "one secret for both directions");
  }
  AccessSubject subject;
  subject.initiator_name = "iqn.1994-05.org.example:host1";
  require(settings.acl_enabled() || settings.may_log_in(subject), "access list that is off");
  if (settings.lun_access(subject, 0) != LunAccess::kNone)
    require(settings.may_log_in(subject), "LUN");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  for (char& c : text)
    c = c == '\n' ? '\0' : c;
  const uint64_t before = host_live_allocations();
  {
    ConfigError error;
    auto result = TargetSettings::parse(
        kName, {reinterpret_cast<const uint8_t*>(text.data()), text.size()}, {}, &error);
    if (!result.is_ok()) {
      check_refusal(result.error(), error);
    } else {
      const TargetSettings& settings = *result.value();
      require(error.empty(), "a line without a refusal");
      check_addresses(settings);
      check_values(settings);
      require(settings.check_reload(settings, &error).is_ok(), "cannot replace itself");
    }
  }
  require(host_live_allocations() == before, "memory is left");
  return 0;
}
