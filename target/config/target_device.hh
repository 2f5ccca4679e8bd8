// SPDX-License-Identifier: GPL-2.0-only
//
// TargetDevice lines of the configuration, taken apart but not interpreted.
//
//   <path|name>[,<type word>][,NULLRW][,SYNC][,RO][,size=<x>MB][,ID=<id>][,WWN=<wwn>][,SN=<sn>]
//              [,DIRECT][,THIN][,REMOVABLE][,BS=<bytes>][,PROD=<product>][,THRESHOLD=<percent>]
//
// The type word names one of our LUN classes or one that a storage driver registered; whoever
// owns the class decides whether it exists. The first word that is no option is the type word; a
// class of a driver may have further options and reads them itself; DIRECT and what follows it are
// such options there, with values of their own. LUNs are numbered in the order of the lines.
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "base/text.hh"
#include "target/config/message_line.hh"

namespace chiscsi {

// Of a target: one for each number of flat addressing.
inline constexpr uint32_t kMaxTargetDevices = 16384;

struct TargetDeviceSettings {
  Text line;                 // The whole value, for fp_config_parse_options().
  Text name;                 // Path or name, the first field.
  Text lun_class;            // FILE when the line has no type word.
  Text foreign_option;       // The first option that is none of ours; for the LUN class to judge.
  Text own_option;           // The first option that only our own classes have.
  Text wrong_option;         // The first of these with a value that our classes do not have.
  Text wrong_why;            // What they have instead.
  Text id, wwn, sn;          // Empty: to be derived.
  Text product;              // PROD=; empty: the class's.
  uint32_t size_mb = 0;      // 0: not given.
  uint32_t block_size = 0;   // BS=; 0: not given.
  uint32_t threshold = 0;    // THRESHOLD=, percent of a thin device; 0: not given.
  bool names_class = false;  // The line has a type word.
  bool nullrw = false;
  bool sync = false;
  bool direct = false;  // Past the page cache.
  bool read_only = false;
  bool thin = false;
  bool removable = false;

  bool is_ram_disk() const { return lun_class == Text("MEM"); }
};

// Parses the value of one TargetDevice line; `device` refers to the memory of `value`. Errors:
// kInvalid with a line in `error`.
Status parse_target_device(Text value, TargetDeviceSettings* device, ConfigError* error);

}  // namespace chiscsi
