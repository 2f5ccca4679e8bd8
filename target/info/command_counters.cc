// SPDX-License-Identifier: GPL-2.0-only
//
// See command_counters.hh.
#include "target/info/command_counters.hh"

namespace chiscsi {

uint32_t CommandCounters::bucket_of(uint64_t microseconds) {
  const uint32_t bits =
      microseconds != 0 ? 64u - static_cast<uint32_t>(__builtin_clzll(microseconds)) : 0;
  return bits < kBuckets ? bits : kBuckets - 1;
}

void CommandCounters::count(const CommandResult& result) {
  commands_.add(1);
  if (result.aborted) return aborts_.add(1);
  if (result.status != 0) errors_.add(1);
  if (result.read) {
    reads_.add(1);
    read_bytes_.add(result.bytes);
  } else if (result.write) {
    writes_.add(1);
    write_bytes_.add(result.bytes);
  }
  microseconds_.add(static_cast<unsigned long>(result.microseconds));
  latency_[bucket_of(result.microseconds)].add(1);
}

void CommandCounters::add_to(Sum* sum) const {
  sum->commands += commands_.get();
  sum->reads += reads_.get();
  sum->writes += writes_.get();
  sum->read_bytes += read_bytes_.get();
  sum->write_bytes += write_bytes_.get();
  sum->errors += errors_.get();
  sum->aborts += aborts_.get();
  sum->microseconds += microseconds_.get();
  for (uint32_t i = 0; i < kBuckets; ++i)
    sum->latency[i] += latency_[i].get();
}

void CommandCounters::Sum::add(const Sum& other) {
  commands += other.commands;
  reads += other.reads;
  writes += other.writes;
  read_bytes += other.read_bytes;
  write_bytes += other.write_bytes;
  errors += other.errors;
  aborts += other.aborts;
  microseconds += other.microseconds;
  for (uint32_t i = 0; i < kBuckets; ++i)
    latency[i] += other.latency[i];
}

}  // namespace chiscsi
