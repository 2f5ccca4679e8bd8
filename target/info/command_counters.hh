// SPDX-License-Identifier: GPL-2.0-only
//
// CommandCounters: what has become of the commands of one session, or of those of one LUN or portal
// that one worker has run.
//
// One worker counts, in memory that no other worker writes; sums are made when somebody asks. A
// command is counted once, when it is over. Latency runs from the moment in which its turn has come
// to that in which its status is known, so it holds the storage driver's time and the transfer of
// write data, but not the sending of read data.
#pragma once

#include <cstdint>

#include "base/published.hh"

namespace chiscsi {

// A command that is over.
struct CommandResult {
  bool read = false;
  bool write = false;
  bool aborted = false;  // It ended without a status.
  uint8_t status = 0;
  uint32_t bytes = 0;
  uint64_t microseconds = 0;
};

class CommandCounters {
 public:
  // Bucket 0 is below 1 us, bucket n below 2^n us, the last one whatever takes longer.
  static constexpr uint32_t kBuckets = 24;

  struct Sum {
    uint64_t commands = 0, reads = 0, writes = 0;
    uint64_t read_bytes = 0, write_bytes = 0;
    uint64_t errors = 0;  // Those with another status than GOOD.
    uint64_t aborts = 0;
    uint64_t microseconds = 0;  // Of all that latency[] counts together.
    uint64_t latency[kBuckets] = {};
    void add(const Sum& other);
  };

  // Context: the one worker.
  void count(const CommandResult& result);
  // Context: any.
  void add_to(Sum* sum) const;

  static uint32_t bucket_of(uint64_t microseconds);

 private:
  Published<unsigned long> commands_, reads_, writes_;
  Published<unsigned long> read_bytes_, write_bytes_;
  Published<unsigned long> errors_, aborts_;
  Published<unsigned long> microseconds_;
  Published<unsigned long> latency_[kBuckets];
};
// As many words as fill whole cache lines, so that two of them never share one.
static_assert(sizeof(CommandCounters) % (16 * sizeof(long)) == 0);

}  // namespace chiscsi
