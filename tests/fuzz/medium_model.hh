// SPDX-License-Identifier: GPL-2.0-only
//
// What the medium of a logical unit has to hold, by SBC-4 and without the code under test: commands
// that were answered are applied to a copy, and what is read is held against it.
//
// Blocks that a command changed in a way that is not followed here (copies, overwriting by
// SANITIZE, fewer data than blocks) are not known until they are read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace chiscsi::fuzz {

class MediumModel {
 public:
  MediumModel(uint64_t blocks, uint32_t block_size)
      : block_size_(block_size), bytes_(blocks * block_size, '\0'), known_(blocks, true) {}

  // A command and its end: its data as it was sent, and what it has read, for which the initiator
  // has room for `length` bytes. Null when all is right, or what is wrong.
  struct End {
    std::string cdb;  // 16 or 32 bytes.
    std::string sent, read;
    uint32_t length = 0;
    uint8_t status = 0, sense_key = 0;
  };
  const char* apply(const End& end) {
    const Named named = name(end.cdb);
    const bool good = end.status == 0;
    const bool miscompares = end.status == kCheckCondition && end.sense_key == kMiscompare;
    if (named.kind == kNothing) return nullptr;
    if (!good && !miscompares) return refused(end, named);
    if (named.kind == kUnmap) return unmap(end.sent);
    if (named.kind == kAny) return forget(0, known_.size());
    if (!is_inside(named)) return "blocks that are not there";
    if (named.kind == kRead) return read(named, end);
    const uint64_t wanted = needed(named);
    if (end.sent.size() < wanted) return forget(named.first, named.blocks);
    return changed(named, end.sent, miscompares);
  }

 private:
  static constexpr uint8_t kCheckCondition = 2, kMiscompare = 0xe;

  enum Kind { kNothing, kRead, kWrite, kVerify, kCompareAndWrite, kOr, kSame, kUnmap, kAny };
  struct Named {
    Kind kind = kNothing;
    uint64_t first = 0, blocks = 0;
    bool one_block = false;  // The data is one block for all.
    bool no_data = false;    // NDOB.
  };

  static uint64_t number(const std::string& cdb, size_t at, size_t size) {
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i)
      value = value << 8 | static_cast<uint8_t>(cdb[at + i]);
    return value;
  }

  Named name(const std::string& cdb) const {
    switch (static_cast<uint8_t>(cdb[0])) {
      case 0x08:
        return six(kRead, cdb);
      case 0x0a:
        return six(kWrite, cdb);
      case 0x28:
        return {kRead, number(cdb, 2, 4), number(cdb, 7, 2)};
      case 0x2a:
      case 0x2e:
        return {kWrite, number(cdb, 2, 4), number(cdb, 7, 2)};
      case 0x2f:
        return verify(cdb[1], number(cdb, 2, 4), number(cdb, 7, 2));
      case 0x41:
        return same(cdb[1], number(cdb, 2, 4), number(cdb, 7, 2), 0);
      case 0x42:
        return {kUnmap};
      case 0x48:
      case 0x83:
        return {kAny};
      case 0x88:
        return {kRead, number(cdb, 2, 8), number(cdb, 10, 4)};
      case 0x89:
        return {kCompareAndWrite, number(cdb, 2, 8), number(cdb, 13, 1)};
      case 0x8a:
      case 0x8e:
        return {kWrite, number(cdb, 2, 8), number(cdb, 10, 4)};
      case 0x8b:
        return {kOr, number(cdb, 2, 8), number(cdb, 10, 4)};
      case 0x8f:
        return verify(cdb[1], number(cdb, 2, 8), number(cdb, 10, 4));
      case 0x93:
        return same(cdb[1], number(cdb, 2, 8), number(cdb, 10, 4), 1);
      case 0x9c:
        return {kWrite, number(cdb, 2, 8), number(cdb, 12, 2)};
      case 0xa8:
        return {kRead, number(cdb, 2, 4), number(cdb, 6, 4)};
      case 0xaa:
      case 0xae:
        return {kWrite, number(cdb, 2, 4), number(cdb, 6, 4)};
      case 0xaf:
        return verify(cdb[1], number(cdb, 2, 4), number(cdb, 6, 4));
      case 0x7f:
        return cdb.size() < 32 ? Named() : thirty_two(cdb);
      default:
        return {};
    }
  }
  Named thirty_two(const std::string& cdb) const {
    const uint64_t first = number(cdb, 12, 8), blocks = number(cdb, 28, 4);
    switch (number(cdb, 8, 2)) {
      case 0x09:
        return {kRead, first, blocks};
      case 0x0a:
        return verify(cdb[10], first, blocks);
      case 0x0b:
      case 0x0c:
        return {kWrite, first, blocks};
      case 0x0d:
        return same(cdb[10], first, blocks, 1);
      default:
        return {};
    }
  }
  static Named six(Kind kind, const std::string& cdb) {
    const uint64_t blocks = number(cdb, 4, 1);
    return {kind, number(cdb, 1, 3) & 0x1fffff, blocks == 0 ? 256 : blocks};
  }
  // BYTCHK is 01b: as many blocks; 11b: one.
  static Named verify(char options, uint64_t first, uint64_t blocks) {
    if ((options & 6) == 0) return {};
    return {kVerify, first, blocks, (options & 6) == 6};
  }
  Named same(char options, uint64_t first, uint64_t blocks, char ndob) const {
    if (blocks == 0 && first <= known_.size()) blocks = known_.size() - first;
    return {kSame, first, blocks, true, (options & ndob) != 0};
  }

  bool is_inside(const Named& named) const {
    return named.first <= known_.size() && named.blocks <= known_.size() - named.first;
  }
  uint64_t needed(const Named& named) const {
    if (named.no_data || named.blocks == 0) return 0;
    if (named.one_block) return block_size_;
    return named.blocks * block_size_ * (named.kind == kCompareAndWrite ? 2 : 1);
  }

  const char* forget(uint64_t first, uint64_t blocks) {
    set_known(first, blocks, false);
    return nullptr;
  }
  void set_known(uint64_t first, uint64_t blocks, bool are_known) {
    for (uint64_t i = 0; i < blocks; ++i)
      known_[first + i] = are_known;
  }
  // What is wrong with a command is found before it does anything; a command that failed may have
  // done part of it.
  const char* refused(const End& end, const Named& named) {
    constexpr uint8_t kNotReady = 2, kIllegal = 5, kAttention = 6, kProtect = 7;
    const bool is_check = end.status == kCheckCondition;
    if (!is_check) return nullptr;
    for (const uint8_t key : {kNotReady, kIllegal, kAttention, kProtect}) {
      if (end.sense_key == key && named.kind != kAny) return nullptr;
    }
    return forget(0, known_.size());
  }

  const char* read(const Named& named, const End& end) {
    const uint64_t size = std::min<uint64_t>(named.blocks * block_size_, end.length);
    if (end.read.size() != size) return "a good read of another size";
    for (uint64_t at = 0; at < size; at += block_size_) {
      const uint64_t block = named.first + at / block_size_, here = block * block_size_;
      const uint64_t count = std::min<uint64_t>(block_size_, size - at);
      if (known_[block]) {
        if (bytes_.compare(here, count, end.read, at, count) != 0) return "a block reads wrong";
      } else if (count == block_size_) {
        bytes_.replace(here, count, end.read, at, count);
        known_[block] = true;
      }
    }
    return nullptr;
  }

  std::string data_of(const Named& named, const std::string& sent) const {
    if (named.no_data) return std::string(named.blocks * block_size_, '\0');
    if (!named.one_block) return sent.substr(0, named.blocks * block_size_);
    std::string data;
    for (uint64_t i = 0; i < named.blocks; ++i)
      data.append(sent, 0, block_size_);
    return data;
  }
  bool all_known(const Named& named) const {
    bool all = true;
    for (uint64_t i = 0; i < named.blocks; ++i)
      all = all && known_[named.first + i];
    return all;
  }

  const char* changed(const Named& named, const std::string& sent, bool miscompares) {
    const uint64_t at = named.first * block_size_, size = named.blocks * block_size_;
    std::string data = data_of(named, sent);
    const bool compares = named.kind == kVerify || named.kind == kCompareAndWrite;
    if (!compares && miscompares) return "a miscompare where nothing is compared";
    if (compares && all_known(named) && (bytes_.compare(at, size, data) == 0) == miscompares)
      return miscompares ? "a miscompare of equal data" : "different data compares equal";
    if (miscompares || named.kind == kVerify) return nullptr;
    if (named.kind == kCompareAndWrite) data = sent.substr(size, size);
    if (named.kind == kOr) {
      if (!all_known(named)) return forget(named.first, named.blocks);
      for (uint64_t i = 0; i < size; ++i)
        data[i] = static_cast<char>(data[i] | bytes_[at + i]);
    }
    bytes_.replace(at, size, data);
    set_known(named.first, named.blocks, true);
    return nullptr;
  }

  // Blocks that are not mapped read as zeros in every unit that unmaps here.
  const char* unmap(const std::string& list) {
    if (list.size() < 8) return nullptr;
    const uint64_t size = std::min<uint64_t>(number(list, 2, 2), list.size() - 8);
    for (uint64_t at = 8; at + 16 <= 8 + size; at += 16) {
      const Named named{kSame, number(list, at, 8), number(list, at + 8, 4), true, true};
      if (!is_inside(named)) return "blocks that are not there are unmapped";
      changed(named, {}, false);
    }
    return nullptr;
  }

  uint32_t block_size_;
  std::string bytes_;
  std::vector<bool> known_;
};

}  // namespace chiscsi::fuzz
