// SPDX-License-Identifier: GPL-2.0-only
//
// Traffic: the bytes and commands of one connection (Guide 8.4).
//
// Counted by the worker of the connection, in memory that no other worker writes; sums over
// connections are made when somebody asks (Roster).
#pragma once

#include <cstdint>

#include "base/published.hh"
#include "common/iscsi_info.h"

namespace chiscsi {

class Traffic {
 public:
  // Context: the connection's worker.
  void read_sent(uint32_t bytes) { read_bytes_.add(bytes); }
  void write_received(uint32_t bytes) { write_bytes_.add(bytes); }
  void read_executed() { read_commands_.add(1); }
  void write_executed() { write_commands_.add(1); }

  // Context: any.
  void add_to(chiscsi_perf_info* sum) const {
    sum->read_bytes += read_bytes_.get();
    sum->write_bytes += write_bytes_.get();
    sum->read_cmd_cnt += read_commands_.get();
    sum->write_cmd_cnt += write_commands_.get();
  }

 private:
  Published<unsigned long> read_bytes_;
  Published<unsigned long> write_bytes_;
  Published<unsigned long> read_commands_;
  Published<unsigned long> write_commands_;
};

}  // namespace chiscsi
