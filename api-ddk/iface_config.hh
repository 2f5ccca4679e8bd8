// SPDX-License-Identifier: GPL-2.0-only
//
// The module parameters, checked. A pure function from text to values; nothing is started here.
#pragma once

#include "iface_types.hh"
#include "storage_driver.hh"

namespace iface {

constexpr u32 kNameMax = 223;   // bytes of an iSCSI name
constexpr u32 kSecretMax = 16;  // bytes of a secret in struct chap_info
constexpr u32 kChapNameMax = 255;

// One side's CHAP credentials.
struct Credentials {
  char name[kChapNameMax + 1] = {};
  char secret[kSecretMax] = {};
  u8 secret_length = 0;
};

struct Config {
  char target_name[kNameMax + 1] = {};
  char init_name[kNameMax + 1] = {};
  char vendor[8] = {};
  char product[16] = {};
  char serial[17] = {};

  u32 lun_count = 0;
  u32 lun_mb[kMaxLuns] = {};
  u32 block_shift = 9;
  u32 chunk_shift = 16;
  u32 phase_bytes = 0;  // 0: a command's data in one piece
  u32 max_cmd = 0;
  bool acl = false;
  bool discard_data = false;
  bool inline_exec = false;

  bool chap = false;
  bool chap_mutual = false;
  bool chap_mutual_required = false;
  Credentials initiator;  // an empty name stands for any
  Credentials target;

  // The configuration of the target: key=value strings, each ended by a NUL.
  char keys[4096] = {};
  u32 keys_length = 0;
};

// Checks `params` and fills `config`, fresh from make(). At the first bad parameter it logs one
// line that names it, and returns kEinval; otherwise 0.
int parse_config(const iface_params& params, Config& config);

}  // namespace iface
