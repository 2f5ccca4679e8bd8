// SPDX-License-Identifier: GPL-2.0-only
//
// What scsi_fuzz.cc sends, and to what: logical units that are to be alike, and commands for them
// out of the input. Most commands make sense, so that they come far; any field may be wrong.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "session_scene.hh"
#include "target/scsi/command_table.hh"
#include "target/scsi/long_commands.hh"

namespace chiscsi::fuzz {

using scsi::CommandInfo;
using scsi::MediumLayout;
using scsi::Opcode;

inline constexpr uint64_t kMegabyte = 1 << 20;
inline constexpr char kRubbish = '\xa5';  // What memory has in it before (tests/host/storage.cc).
inline constexpr uint32_t kMostData = 131072;

// A command as it is sent to each unit.
struct Shot {
  const CommandInfo* info = nullptr;  // Null: none that is known.
  std::string cdb = std::string(32, '\0');
  size_t cdb_size = 16;
  uint8_t direction = 0;
  uint32_t length = 0;
  std::string data;
  uint64_t first = 0;  // Block.

  Opcode opcode() const { return static_cast<Opcode>(cdb[0]); }
  uint8_t at(size_t i) const { return static_cast<uint8_t>(cdb[i]); }
  void put(size_t first, size_t size, uint64_t value) {
    for (size_t i = size; i-- != 0; value >>= 8)
      cdb[first + i] = static_cast<char>(value);
  }
};

class Units {
 public:
  // Bits of `settings`: 0-1 the kinds, 2 THIN, 3 REMOVABLE, 4 blocks of 4096 bytes, 5 RO.
  explicit Units(uint8_t settings)
      : block_size((settings & 0x10) != 0 ? 4096 : 512),
        options_((settings & 0x08) != 0 ? ",REMOVABLE" : "") {
    if (block_size == 4096) options_ += ",BS=4096";
    if ((settings & 0x20) != 0) options_ += ",RO";
    const unsigned kinds = settings & 3;
    // A block device does not say what is read where it has nothing.
    if ((settings & 0x04) != 0 && kinds < 2) options_ += ",THIN";
    // A RAM disk has no write cache; SYNC takes those of others away.
    if (kinds == 0) add("ram,MEM,size=1MB");
    if (kinds == 1) add("ram,MEM,size=1MB"), add(file() + ",FILE,SYNC,DIRECT");
    if (kinds == 2) add("ram,MEM,size=1MB"), add(file() + ",BLK,SYNC");
    if (kinds == 3) add(file() + ",FILE"), add(file() + ",BLK");
  }
  ~Units() {
    for (const int file : files_)
      close(file);
  }
  Units(const Units&) = delete;
  Units& operator=(const Units&) = delete;

  size_t count() const { return lines.size(); }
  uint64_t blocks() const { return kMegabyte / block_size; }

  std::vector<std::string> lines;
  const uint32_t block_size;

 private:
  void add(const std::string& line) {
    lines.push_back(line + ",WWN=5000C5000000000" + std::to_string(lines.size()) + options_);
  }
  std::string file() {
    files_.push_back(memfd_create("unit", MFD_CLOEXEC));
    require(files_.back() >= 0 && ftruncate(files_.back(), kMegabyte) == 0, "memfd_create()");
    return "/proc/self/fd/" + std::to_string(files_.back());
  }

  std::string options_;
  std::vector<int> files_;
};

// Makes commands out of the input.
class Gunner {
 public:
  Gunner(Input& input, const Units& units) : input_(input), units_(units) {}

  // `echo`: what the last command has read, for parameters that are like it.
  Shot aim(uint8_t row, const std::string& echo) {
    style_ = input_.byte();
    Shot shot;
    const size_t rows = scsi::command_count();
    const size_t longs = scsi::long_commands().size();
    const size_t index = row % (rows + longs + 1);
    if (index < rows) {
      known(shot, scsi::command_at(index));
    } else if (index < rows + longs) {
      known_long(shot, scsi::long_commands()[index - rows]);
    } else {
      for (size_t i = 0; i < 16; ++i)
        shot.cdb[i] = static_cast<char>(input_.byte());
      shot.length = input_.length() % kMostData;
      shot.direction = input_.byte() & (kCommandRead | kCommandWrite);
    }
    if ((style_ & 0x40) != 0) bend(shot);
    load(shot, echo);
    if ((style_ & 0x20) != 0) shot.length = input_.length() % kMostData;
    if ((shot.direction & kCommandWrite) == 0) shot.data.clear();
    if (shot.direction == 0) shot.length = 0;
    if (shot.data.size() > shot.length) shot.data.resize(shot.length);
    std::replace(shot.data.begin(), shot.data.end(), kRubbish, '\x5a');
    return shot;
  }

 private:
  uint64_t lba() {
    switch (style_ & 3) {
      case 0:
        return input_.byte();
      case 1:
        return units_.blocks() + 2 - input_.byte() % 20;
      case 2:
        return ~uint64_t{0} - input_.byte() % 4;
      default:
        return uint64_t{input_.word()} << 32 | input_.word();
    }
  }
  uint32_t count() {
    switch (style_ >> 2 & 3) {
      case 0:
        return input_.byte() % 20;
      case 1:
        return 1;
      case 2:
        return static_cast<uint32_t>(units_.blocks()) + 1 - input_.byte() % 4;
      default:
        return input_.word();
    }
  }

  void known(Shot& shot, const CommandInfo& info) {
    shot.info = &info;
    shot.cdb[0] = static_cast<char>(info.opcode);
    const bool raw = (style_ & 0x10) != 0;
    for (size_t i = 1; raw && i < info.usage_size; ++i)
      shot.cdb[i] = static_cast<char>(input_.byte() & (info.usage[i] | info.allowed[i]));
    if (!raw) shot.cdb[1] = static_cast<char>(input_.byte() & info.usage[1]);
    if (!raw && !info.is_medium()) shot.cdb[2] = static_cast<char>(input_.byte() & info.usage[2]);
    if (info.has_service_action())
      shot.cdb[1] = static_cast<char>((shot.cdb[1] & 0xe0) | info.service_action);
    if (info.is_medium()) return blocks(shot, *info.medium);
    const scsi::CdbField room = info.allocation;
    if (room.exists()) {
      const uint32_t size = input_.length();
      shot.put(room.at, room.size, room.size == 1 ? size & 0xff : size);
    }
    if (info.answer != nullptr) shot.direction = kCommandRead;
    if (info.parameters.exists()) shot.direction = kCommandWrite;
    shot.length = room.exists() ? std::min(room.value(as_cdb(shot)), kMostData) : 4096;
  }

  void known_long(Shot& shot, const scsi::LongCommand& command) {
    shot.cdb_size = 32;
    shot.cdb[0] = 0x7f;
    shot.cdb[7] = 0x18;
    shot.put(8, 2, command.service_action);
    shot.cdb[10] = static_cast<char>(input_.byte() & command.options);
    shot.first = lba();
    shot.put(12, 8, shot.first);
    const uint32_t blocks = count();
    shot.put(28, 4, blocks);
    shot.direction = command.means == Opcode::kRead16 ? kCommandRead : kCommandWrite;
    shot.length =
        static_cast<uint32_t>(std::min<uint64_t>(uint64_t{blocks} * units_.block_size, kMostData));
    if (command.means == Opcode::kWriteSame16) shot.length = units_.block_size;
    if (command.means == Opcode::kVerify16 && (shot.cdb[10] & 2) == 0) shot.length = 0;
  }

  void blocks(Shot& shot, const MediumLayout& layout) {
    uint64_t number = 0;
    if (layout.names != MediumLayout::kNoBlocks) {
      const bool six = layout.cdb_size == 6, long_lba = layout.cdb_size == 16;
      shot.first = lba();
      if (six) {
        shot.put(1, 3, shot.first & 0x1fffff);
      } else {
        shot.put(2, long_lba ? 8 : 4, shot.first);
      }
      number = count();
      const uint8_t at = scsi::count_at(layout);
      const uint8_t size = layout.names == MediumLayout::kOneByteCount || six ? 1
                           : layout.names == MediumLayout::kTwoByteCount      ? 2
                           : layout.cdb_size == 10                            ? 2
                                                                              : 4;
      shot.put(at, size, number);
      if (size < 4) number &= (1u << 8 * size) - 1;
    }
    if (six_means_256(layout) && number == 0) number = 256;
    shot.direction = layout.direction == MediumLayout::kIn ? kCommandRead : kCommandWrite;
    if (layout.direction == MediumLayout::kNone) shot.direction = 0;
    uint64_t length = number * units_.block_size;
    switch (shot.opcode()) {
      case Opcode::kWriteSame10:
      case Opcode::kWriteSame16:
        length = units_.block_size;
        if ((shot.cdb[1] & 1) != 0 && shot.opcode() == Opcode::kWriteSame16) shot.direction = 0;
        break;
      case Opcode::kCompareAndWrite:
        length *= 2;
        break;
      case Opcode::kVerify10:
      case Opcode::kVerify12:
      case Opcode::kVerify16:
        if ((shot.cdb[1] & 6) == 0) shot.direction = 0;
        if ((shot.cdb[1] & 6) == 6) length = units_.block_size;
        break;
      case Opcode::kServiceActionIn16:
        length = input_.length();
        shot.put(10, 4, length);
        break;
      default:
        break;
    }
    shot.length = static_cast<uint32_t>(std::min<uint64_t>(length, kMostData));
  }
  static bool six_means_256(const MediumLayout& layout) { return layout.cdb_size == 6; }

  void bend(Shot& shot) {
    for (int i = 0; i < 2; ++i) {
      const uint8_t where = input_.byte() % shot.cdb_size;
      shot.cdb[where] = static_cast<char>(shot.cdb[where] ^ input_.byte());
    }
  }

  // The data, and where the CDB says how long it is.
  void load(Shot& shot, const std::string& echo) {
    if ((shot.direction & kCommandWrite) == 0) return;
    const CommandInfo* info = shot.info;
    if (info != nullptr && (info->parameters.exists() || is_list(info->opcode))) {
      shot.data = list(shot, echo);
      shot.length = static_cast<uint32_t>(shot.data.size());
      const scsi::CdbField field =
          info->parameters.exists() ? info->parameters : scsi::CdbField{7, 2};
      shot.put(field.at, field.size, shot.data.size());
      return;
    }
    // Of few patterns, so that what is compared may be the same; of no block as of another, so that
    // one in a wrong place is seen; and never as rubbish, even where two are joined by OR.
    const uint8_t pattern = input_.byte(), other = input_.byte();
    shot.data.resize(shot.length);
    const size_t half =
        shot.opcode() == Opcode::kCompareAndWrite ? shot.data.size() / 2 : ~size_t{0};
    for (size_t i = 0; i < shot.data.size() && (pattern & 0x80) == 0; ++i) {
      const size_t at = i < half ? i : i - half;
      const uint64_t block = shot.first + at / units_.block_size;
      const uint64_t value = (i < half ? pattern : other) + (at % units_.block_size >> 6) +
                             5 * block + 3 * (block >> 6);
      shot.data[i] = static_cast<char>(value & 0x3f);
    }
  }
  static bool is_list(Opcode opcode) {
    return opcode == Opcode::kUnmap || opcode == Opcode::kSanitize;
  }

  std::string list(const Shot& shot, const std::string& echo) {
    const uint8_t how = input_.byte();
    if ((how & 0x80) != 0) return input_.bytes(how & 0x7f);
    std::string bytes;
    switch (shot.opcode()) {
      case Opcode::kUnmap:
        bytes = unmap_list(how % 4);
        break;
      case Opcode::kPersistentReserveOut:
        bytes = std::string(24, '\0');
        bytes[7] = static_cast<char>(input_.byte() & 3);
        bytes[15] = static_cast<char>(input_.byte() & 3);
        bytes[20] = static_cast<char>(input_.byte() & 0x0d);
        break;
      case Opcode::kThirdPartyCopyOut:
        bytes = copy_list(how);
        break;
      case Opcode::kSanitize:
        bytes = {static_cast<char>(how & 0x1f), 0, 0, 4, 'a', 'b', 'c', 'd'};
        break;
      case Opcode::kModeSelect6:
      case Opcode::kModeSelect10:
        // As those do that change what they have been told.
        bytes = echo.substr(0, 256);
        if (!bytes.empty()) bytes[0] = 0;
        if (shot.opcode() == Opcode::kModeSelect10 && bytes.size() > 1) bytes[1] = 0;
        break;
      default:
        bytes = input_.bytes(how);
    }
    for (uint8_t changes = how >> 5 & 3; changes != 0 && !bytes.empty(); --changes) {
      const size_t where = input_.byte() % bytes.size();
      bytes[where] = static_cast<char>(bytes[where] ^ input_.byte());
    }
    return bytes;
  }
  static void put(std::string& bytes, size_t at, size_t size, uint64_t value) {
    for (size_t i = size; i-- != 0; value >>= 8)
      bytes[at + i] = static_cast<char>(value);
  }
  std::string unmap_list(size_t descriptors) {
    std::string bytes(8 + 16 * descriptors, '\0');
    put(bytes, 0, 2, bytes.size() - 2);
    put(bytes, 2, 2, bytes.size() - 8);
    for (size_t i = 0; i < descriptors; ++i) {
      put(bytes, 8 + 16 * i, 8, lba());
      put(bytes, 16 + 16 * i, 4, count());
    }
    return bytes;
  }
  // From the unit to itself.
  std::string copy_list(uint8_t how) {
    const size_t segments = how % 4;
    std::string bytes(16 + 32 + 28 * segments, '\0');
    bytes[0] = static_cast<char>(how & 3);
    put(bytes, 2, 2, 32);
    put(bytes, 8, 4, 28 * segments);
    put(bytes, 16, 8, 0xe400000001030008);
    put(bytes, 24, 8, kOwnName);
    put(bytes, 45, 3, units_.block_size);
    for (size_t i = 0; i < segments; ++i) {
      const size_t at = 48 + 28 * i;
      put(bytes, at, 4, 0x02000018);
      bytes[at + 1] = static_cast<char>(input_.byte() & 3);
      put(bytes, at + 10, 2, count());
      put(bytes, at + 12, 8, lba());
      put(bytes, at + 20, 8, lba());
    }
    return bytes;
  }

  static scsi::Cdb as_cdb(const Shot& shot) {
    static uint8_t bytes[scsi::kCdbSize];
    std::copy_n(shot.cdb.begin(), scsi::kCdbSize, bytes);
    return scsi::Cdb(bytes);
  }

 public:
  // The WWN of the first unit; another one's has its number in the last byte.
  static constexpr uint64_t kOwnName = 0x5000c50000000000;

 private:
  Input& input_;
  const Units& units_;
  uint8_t style_ = 0;
};

}  // namespace chiscsi::fuzz
