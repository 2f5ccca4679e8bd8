// SPDX-License-Identifier: GPL-2.0-only
#include "iface_config.hh"

namespace iface {
namespace {

// Logs why a parameter is refused; every check ends with `return refuse(...)`.
bool refuse(const char* parameter, const char* reason) {
  iface_os_log(IFACE_OS_ERROR, "%s: %s", parameter, reason);
  return false;
}
bool refuse(const char* parameter, const char* reason, Text culprit) {
  iface_os_log(IFACE_OS_ERROR, "%s: %s \"%.*s\"", parameter, reason,
               static_cast<int>(culprit.size()), culprit.data());
  return false;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// A decimal number from `least` to `most`, nothing else around it.
bool parse_number(Text text, u32 least, u32 most, u32& value) {
  u64 number = 0;
  for (u32 i = 0; i < text.size(); ++i) {
    if (!is_digit(text[i])) return false;
    number = number * 10 + static_cast<u64>(text[i] - '0');
    if (number > most) return false;
  }
  value = static_cast<u32>(number);
  return !text.empty() && number >= least;
}

template <u32 Size>
bool copy(Text text, char (&field)[Size]) {
  if (text.size() >= Size) return false;
  __builtin_memcpy(field, text.data(), text.size());
  field[text.size()] = '\0';
  return true;
}

bool is_printable(Text text) {
  for (u32 i = 0; i < text.size(); ++i) {
    if (text[i] < ' ' || text[i] > '~') return false;
  }
  return true;
}

// ---- Names ----

bool is_iscsi_name(Text text) {
  if (text.size() > kNameMax || text.size() < 5) return false;
  for (u32 i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool allowed = is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         c == '-' || c == '.' || c == ':';
    if (!allowed) return false;
  }
  return text.starts_with("iqn.") || text.starts_with("eui.") || text.starts_with("naa.");
}

bool parse_names(const iface_params& params, Config& config) {
  const Text target = params.target_name;
  const Text initiator = params.init_name;
  if (!is_iscsi_name(target)) return refuse("target_name", "not an iSCSI name:", target);
  if (!initiator.empty() && !is_iscsi_name(initiator)) {
    return refuse("init_name", "not an iSCSI name:", initiator);
  }
  if (params.acl && initiator.empty()) return refuse("acl", "needs init_name");
  config.acl = params.acl;
  return copy(target, config.target_name) && copy(initiator, config.init_name);
}

bool parse_inquiry(const iface_params& params, Config& config) {
  const Text vendor = params.vendor;
  const Text product = params.product;
  const Text serial = params.serial;
  if (vendor.size() > sizeof(config.vendor) || !is_printable(vendor)) {
    return refuse("vendor", "needs up to 8 printable characters, not", vendor);
  }
  if (product.size() > sizeof(config.product) || !is_printable(product)) {
    return refuse("product", "needs up to 16 printable characters, not", product);
  }
  if (serial.size() >= sizeof(config.serial) || !is_printable(serial)) {
    return refuse("serial", "needs up to 16 printable characters, not", serial);
  }
  put_padded(config.vendor, sizeof(config.vendor), vendor);
  put_padded(config.product, sizeof(config.product), product);
  return copy(serial, config.serial);
}

// ---- Logical units ----

bool parse_luns(const iface_params& params, Config& config) {
  constexpr u32 kMostMb = 16 * 1024 * 1024;
  Text rest = params.lun_sizes_mb;
  if (rest.empty()) return refuse("lun_sizes_mb", "at least one size is needed");
  do {
    const bool last = rest.find(',') == rest.size();
    const Text size = rest.split(',');
    if (config.lun_count == kMaxLuns) return refuse("lun_sizes_mb", "more than 64 sizes");
    if (!parse_number(size, 1, kMostMb, config.lun_mb[config.lun_count])) {
      return refuse("lun_sizes_mb", "bad size", size);
    }
    ++config.lun_count;
    if (last) return true;
  } while (true);
}

u32 log2_of(u32 value) { return 31 - static_cast<u32>(__builtin_clz(value)); }

bool parse_geometry(const iface_params& params, Config& config) {
  constexpr u32 kMostPhaseKb = 16 * 1024;
  const u32 chunk = params.chunk_kb;
  if (params.block_size != 512 && params.block_size != 4096) {
    return refuse("block_size", "must be 512 or 4096");
  }
  if (chunk != 4 && chunk != 8 && chunk != 16 && chunk != 64) {
    return refuse("chunk_kb", "must be 4, 8, 16 or 64");
  }
  if (params.phase_kb > kMostPhaseKb) return refuse("phase_kb", "must be 0 to 16384");
  if (params.max_cmd > 2048) return refuse("max_cmd", "must be 0 to 2048");
  config.block_shift = log2_of(params.block_size);
  config.chunk_shift = log2_of(chunk * 1024);
  config.phase_bytes = params.phase_kb * 1024;
  config.max_cmd = params.max_cmd;
  config.discard_data = params.discard_data;
  config.inline_exec = params.inline_exec;
  return true;
}

// ---- Portals ----

bool is_ipv4(Text text) {
  for (u32 part = 0; part < 4; ++part) {
    u32 value;
    const bool last = text.find('.') == text.size();
    if (last != (part == 3) || !parse_number(text.split('.'), 0, 255, value)) return false;
  }
  return true;
}

// Groups of hexadecimal digits, one "::" at most, perhaps an IPv4 address at the end.
bool is_ipv6(Text text) {
  u32 groups = 0;
  bool gap = false;
  if (text.starts_with("::")) {
    gap = true;
    text = text.skip(2);
  }
  while (!text.empty()) {
    const bool last = text.find(':') == text.size();
    const Text group = text.split(':');
    if (last && is_ipv4(group)) {
      groups += 2;
      break;
    }
    if (group.empty() || group.size() > 4) return false;
    for (u32 i = 0; i < group.size(); ++i) {
      if (!is_hex(group[i])) return false;
    }
    ++groups;
    if (!last && text.empty()) return false;  // ends with a single colon
    if (text.starts_with(":")) {
      if (gap) return false;
      gap = true;
      text = text.skip(1);
    }
  }
  return gap ? groups < 8 : groups == 8;
}

// <ipv4>[:<port>] or [<ipv6>][:<port>], the outer brackets of the latter literal.
bool is_portal(Text text) {
  Text port;
  bool has_port = false;
  if (text.starts_with("[")) {
    const u32 end = text.find(']');
    if (end == text.size() || !is_ipv6(text.first(end).skip(1))) return false;
    port = text.skip(end + 1);
    has_port = !port.empty();
    if (has_port && !port.starts_with(":")) return false;
    port = port.skip(1);
  } else {
    has_port = text.find(':') != text.size();
    if (!is_ipv4(text.split(':'))) return false;
    port = text;
  }
  u32 number;
  return !has_port || parse_number(port, 1, 65535, number);
}

constexpr Text kPortalKey = "PortalGroup=";

bool parse_portal(const iface_params& params) {
  Text rest = params.portal;
  if (rest.empty()) return refuse("portal", "missing, e.g. portal=PortalGroup=1@192.0.2.10:3260");
  if (rest.starts_with(kPortalKey)) rest = rest.skip(kPortalKey.size());
  u32 number;
  if (rest.find('@') == rest.size()) return refuse("portal", "no @ after the tag in", rest);
  const Text tag = rest.split('@');
  if (!parse_number(tag, 1, 65535, number)) return refuse("portal", "bad tag", tag);
  u32 portals = 0;
  do {
    const bool last = rest.find(',') == rest.size();
    const Text item = rest.split(',');
    if (item.starts_with("timeout=")) {
      if (!parse_number(item.skip(8), 0, 3600, number)) return refuse("portal", "bad", item);
    } else if (is_portal(item)) {
      ++portals;
    } else {
      return refuse("portal", "bad address", item);
    }
    if (last) break;
  } while (true);
  return portals > 0 || refuse("portal", "no address");
}

// ---- CHAP ----

bool parse_credentials(const char* name_parameter, const char* secret_parameter, Text name,
                       Text secret, Credentials& credentials) {
  constexpr u32 kLeast = 6, kAdvised = 12;
  if (!copy(name, credentials.name)) return refuse(name_parameter, "longer than 255 characters");
  if (secret.size() < kLeast || secret.size() > kSecretMax) {
    return refuse(secret_parameter, "needs 6 to 16 characters");
  }
  if (secret.size() < kAdvised) {
    iface_os_log(IFACE_OS_WARNING, "%s: shorter than 12 characters, easily guessed",
                 secret_parameter);
  }
  __builtin_memcpy(credentials.secret, secret.data(), secret.size());
  credentials.secret_length = static_cast<u8>(secret.size());
  return true;
}

bool parse_chap(const iface_params& params, Config& config) {
  const Text mode = params.chap;
  const Text target_secret = params.chap_target_secret;
  config.chap_mutual = mode == "mutual";
  config.chap = config.chap_mutual || mode == "oneway";
  if (!config.chap && !(mode == "none")) {
    return refuse("chap", "must be none, oneway or mutual, not", mode);
  }
  config.chap_mutual_required = params.chap_mutual_required;
  if (config.chap_mutual_required && !config.chap_mutual) {
    return refuse("chap_mutual_required", "needs chap=mutual");
  }
  if (!config.chap) return true;

  const Text initiator =
      params.chap_initiator_name[0] != '\0' ? params.chap_initiator_name : params.init_name;
  if (!parse_credentials("chap_initiator_name", "chap_initiator_secret", initiator,
                         params.chap_initiator_secret, config.initiator)) {
    return false;
  }
  if (!config.chap_mutual) return true;

  const Text target =
      params.chap_target_name[0] != '\0' ? params.chap_target_name : params.target_name;
  if (!parse_credentials("chap_target_name", "chap_target_secret", target, target_secret,
                         config.target)) {
    return false;
  }
  return !(target_secret == Text(params.chap_initiator_secret)) ||
         refuse("chap_target_secret", "must differ from chap_initiator_secret");
}

// ---- Keys of the target ----

// Sent unless the parameter `keys` names them: values that suit large transfers.
constexpr Text kDefaultKeys[] = {
    "InitialR2T=No",
    "ImmediateData=Yes",
    "FirstBurstLength=262144",
    "MaxBurstLength=1048576",
    "MaxOutstandingR2T=8",
    "MaxRecvDataSegmentLength=262144",
    "HeaderDigest=None,CRC32C",
    "DataDigest=None,CRC32C",
};

Text key_of(Text pair) { return pair.first(pair.find('=')); }

bool add_key(Config& config, Text key, Text value) {
  const u32 needed = key.size() + value.size() + 1;
  if (needed > sizeof(config.keys) - config.keys_length) return refuse("keys", "too long");
  char* at = config.keys + config.keys_length;
  __builtin_memcpy(at, key.data(), key.size());
  __builtin_memcpy(at + key.size(), value.data(), value.size());
  at[key.size() + value.size()] = '\0';
  config.keys_length += needed;
  return true;
}

bool names_key(Text keys, Text key) {
  while (!keys.empty()) {
    if (key_of(keys.split(';')) == key) return true;
  }
  return false;
}

// Is `pair`, one of kDefaultKeys, left to the parameter `keys`? The two burst lengths depend on
// each other, so giving one of them takes over both.
bool is_overridden(Text keys, Text pair) {
  const Text key = key_of(pair);
  const bool burst = key == "FirstBurstLength" || key == "MaxBurstLength";
  return names_key(keys, key) ||
         (burst && (names_key(keys, "FirstBurstLength") || names_key(keys, "MaxBurstLength")));
}

// The parameter `keys`; what the values mean is the target's business.
bool add_given_keys(Text keys, Config& config) {
  while (!keys.empty()) {
    const Text pair = keys.split(';');
    const Text key = key_of(pair);
    if (pair.empty()) continue;
    if (key.empty() || key.size() == pair.size()) return refuse("keys", "not key=value:", pair);
    if (key == "TargetName" || key == "TargetDevice") return refuse("keys", "not allowed:", key);
    if (!add_key(config, pair, "")) return false;
  }
  return true;
}

bool build_keys(const iface_params& params, Config& config) {
  const Text keys = params.keys;
  Text portal = params.portal;
  if (portal.starts_with(kPortalKey)) portal = portal.skip(kPortalKey.size());
  if (!add_key(config, kPortalKey, portal)) return false;
  if (!names_key(keys, "AuthMethod")) {
    if (!add_key(config, "AuthMethod=", config.chap ? "CHAP" : "None")) return false;
  }
  for (const Text pair : kDefaultKeys) {
    if (!is_overridden(keys, pair) && !add_key(config, pair, "")) return false;
  }
  return add_given_keys(keys, config);
}

}  // namespace

int parse_config(const iface_params& params, Config& config) {
  const bool valid = parse_names(params, config) && parse_inquiry(params, config) &&
                     parse_luns(params, config) && parse_geometry(params, config) &&
                     parse_portal(params) && parse_chap(params, config) &&
                     build_keys(params, config);
  return valid ? 0 : kEinval;
}

}  // namespace iface
