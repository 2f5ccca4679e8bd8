// SPDX-License-Identifier: GPL-2.0-only
//
// The settings of an active target as the keys that would make it again.
//
// Every key is written with its value in force, defaults included. For people a TargetDevice line
// gets the names that its LUN has: what was derived, and what the class has for product and serial
// number. What is to be read back (CHISCSI_CONTROL_SECRETS) has them as they were set, and nothing
// where they were not: a class may have names that the line does not take.
#include "target/config/address.hh"
#include "target/config/word_list.hh"
#include "target/control/request.hh"
#include "target/engine.hh"
#include "target/scsi/answers.hh"

namespace chiscsi::control {

namespace {

constexpr char kMasked[] = "***";

void write_digests(Output& out, Text key, const DigestChoice& digests) {
  out.begin(key);
  for (uint8_t i = 0; i < digests.size(); ++i)
    out.add(i == 0 ? "" : ",").add(digest_text(digests[i]));
  out.end();
}

void write_account(Output& out, Text key, const ChapAccount& account, bool secrets) {
  out.begin(key).add("\"").add(account.name).add("\":\"");
  out.add(secrets ? account.secret : Text(kMasked)).add("\"").end();
}

void write_auth(Output& out, const AuthSettings& auth, bool secrets) {
  out.begin("AuthMethod");
  for (uint8_t i = 0; i < auth.methods.size(); ++i)
    out.add(i == 0 ? "" : ",").add(auth_method_text(auth.methods[i]));
  out.end();
  out.pair("Auth_CHAP_Policy", auth.policy == ChapPolicy::kMutual ? "Mutual" : "Oneway");
  out.number("Auth_CHAP_ChallengeLength", auth.challenge_length);
  for (const ChapAccount& account : auth.initiators)
    write_account(out, "Auth_CHAP_Initiator", account, secrets);
  if (auth.has_target_account()) write_account(out, "Auth_CHAP_Target", auth.target, secrets);
}

void write_portal_group(Output& out, const PortalGroupSettings& group) {
  out.begin("PortalGroup").add_number(group.tag).add("@");
  bool first = true;
  for (const os_address& portal : group.portals) {
    out.add(first ? "" : ",").add(format_ip_and_port(portal).text());
    first = false;
  }
  out.add(",timeout=").add_number(group.timeout_s);
  if (group.redirects()) {
    out.add(",[");
    first = true;
    for (const uint16_t tag : group.redirect_tags) {
      out.add(first ? "" : ",").add_number(tag);
      first = false;
    }
    out.add("]");
  }
  out.end();
}

void write_rfc_keys(Output& out, const TargetSettings& settings) {
  const SessionKeys& keys = settings.session_keys();
  out.number("MaxConnections", keys.max_connections);
  out.yes_no("InitialR2T", keys.initial_r2t);
  out.yes_no("ImmediateData", keys.immediate_data);
  out.number("FirstBurstLength", keys.first_burst_length);
  out.number("MaxBurstLength", keys.max_burst_length);
  out.number("MaxRecvDataSegmentLength", settings.max_recv_data_segment_length());
  out.number("MaxOutstandingR2T", keys.max_outstanding_r2t);
  out.number("DefaultTime2Wait", keys.default_time2wait);
  out.number("DefaultTime2Retain", keys.default_time2retain);
  out.yes_no("DataPDUInOrder", keys.data_pdu_in_order);
  out.yes_no("DataSequenceInOrder", keys.data_sequence_in_order);
  out.number("ErrorRecoveryLevel", keys.error_recovery_level);
  write_digests(out, "HeaderDigest", settings.header_digests());
  write_digests(out, "DataDigest", settings.data_digests());
  // Obsolete; the values that mean nothing are not kept.
  out.pair("OFMarker", "No");
  out.pair("IFMarker", "No");
  out.number("OFMarkInt", 2048);
  out.number("IFMarkInt", 2048);
}

// What write_device() says itself.
bool is_identity(Text option) {
  for (const char* key : {"ID=", "WWN=", "SN=", "PROD="}) {
    if (option.starts_with(key)) return true;
  }
  return false;
}

// The options of the line but for those that name the LUN, which are written from its identity.
void add_options(Output& out, const TargetDeviceSettings& device) {
  bool class_is_next = device.names_class;
  WordList fields(device.line);
  Text field;
  fields.next(&field);  // The name.
  while (fields.next(&field)) {
    if (is_identity(field)) continue;
    if (class_is_next && field == device.lun_class) {
      class_is_next = false;
      continue;
    }
    out.add(",").add(field);
  }
}

void add_if_set(Output& out, Text option, Text value) {
  if (!value.empty()) out.add(option).add(value);
}

// As the line has set them.
void add_set_names(Output& out, const TargetDeviceSettings& device) {
  add_if_set(out, ",PROD=", device.product);
  add_if_set(out, ",SN=", device.sn);
  add_if_set(out, ",ID=", device.id);
  add_if_set(out, ",WWN=", device.wwn);
}

// As initiators see them.
void add_names_in_force(Output& out, const Lun& lun) {
  const LunIdentity& identity = lun.identity();
  const Text set_product = lun.device().product;
  out.add(",PROD=").add(set_product.empty() ? scsi::product_of(lun) : set_product);
  out.add(",SN=").add(scsi::serial_of(lun));
  out.add(",ID=").add(identity.vendor_text.text());
  out.add(",WWN=").add_hex_bytes(identity.naa);
}

void write_device(Output& out, const Lun& lun, bool for_file) {
  out.begin("TargetDevice").add(lun.device().name).add(",").add(lun.class_name());
  add_options(out, lun.device());
  if (for_file) {
    add_set_names(out, lun.device());
  } else {
    add_names_in_force(out, lun);
  }
  out.end();
}

void write_devices(Output& out, Target& target, bool for_file) {
  uint32_t generation;
  const Ref<LunMap> luns = target.luns(&generation);
  for (const Ref<Lun>& lun : luns->list())
    write_device(out, *lun, for_file);
}

void write_target(Output& out, Target& target, bool secrets) {
  const Ref<TargetSettings> settings = target.settings();
  out.pair("TargetName", settings->name());
  if (!settings->alias().empty()) out.pair("TargetAlias", settings->alias());
  for (const PortalGroupSettings& group : settings->portal_groups())
    write_portal_group(out, group);
  write_devices(out, target, secrets);
  write_rfc_keys(out, *settings);
  write_auth(out, settings->auth(), secrets);
  out.number("TargetSessionMaxCmd", settings->max_commands());
  out.yes_no("ACL_Enable", settings->acl_enabled());
  for (const Text line : settings->acl_lines())
    out.pair("ACL", line);
  out.yes_no("ShadowMode", settings->shadow_mode());
  out.yes_no("RegisteriSNS", settings->registers_isns());
  out.end_record();
}

}  // namespace

Status show_target(Request& request) {
  Word words[] = {{"target", true}};
  CHISCSI_TRY(take_words(request.in, words, &request.why));
  const Ref<Target> target = CHISCSI_TRY(find_target(request, words[0].value));
  write_target(request.out, *target, request.has(CHISCSI_CONTROL_SECRETS));
  return Status();
}

}  // namespace chiscsi::control
