// SPDX-License-Identifier: GPL-2.0-only
//
// The mode pages of ifacedriver: what MODE SENSE shows, and which parameter lists MODE SELECT
// obeys.
#include <gtest/gtest.h>

#include <functional>

#include "fake_host.hh"

#include "../../../api-ddk/storage_mode.cc"

namespace {

using Octets = std::vector<iface::u8>;

constexpr iface::u8 kSelect6[16] = {0x15, 0x10}, kSelect10[16] = {0x55, 0x10};
constexpr iface::u8 kSwp = 0x08;

class StorageMode : public ::testing::Test {
 protected:
  StorageMode() { device_.blocks = 0x12345; }

  // Current, changeable (1) or default (2) parameter data of MODE SENSE.
  Octets sense(bool ten, iface::u8 page, int control = 0, iface::u8 flags = 0,
               bool selectable = true) {
    const iface::u8 code = static_cast<iface::u8>(control << 6 | page);
    const iface::u8 cdb[16] = {static_cast<iface::u8>(ten ? 0x5a : 0x1a), flags, code};
    iface::u8 response[iface::kResponseMax] = {};
    iface::u32 length = 0;
    const iface::Sense said =
        iface::sense_modes(device_, selectable ? &modes_ : nullptr, cdb, response, &length);
    EXPECT_EQ(said.key, 0);
    return Octets(response, response + length);
  }

  // In memory of exactly that size, so that a byte too far is seen. Returns the additional sense
  // code, 0 for a list that is obeyed.
  int select(bool ten, const Octets& list) {
    std::unique_ptr<iface::u8[]> memory(new iface::u8[list.size()]);
    std::copy(list.begin(), list.end(), memory.get());
    const iface::Modes before = modes_;
    const iface::Sense said = iface::select_modes(device_, ten ? kSelect10 : kSelect6, memory.get(),
                                                  static_cast<iface::u32>(list.size()), &modes_);
    EXPECT_TRUE(said.key == 0 || (said.key == 5 && said.ascq == 0));
    EXPECT_TRUE(said.key == 0 || modes_ == before);
    return said.asc;
  }
  int select_changed(bool ten, Octets list, const std::function<void(Octets&)>& change) {
    change(list);
    return select(ten, list);
  }

  iface::Device device_;
  iface::Modes modes_;
};

// Header, page: as MODE SENSE without a block descriptor shows the Control page, with SWP.
Octets control_list(bool ten) {
  Octets list(ten ? 8 : 4);
  const Octets page = {0x0a, 0x0a, 0, 0x10, kSwp, 0, 0, 0, 0xff, 0xff, 0, 0};
  list.insert(list.end(), page.begin(), page.end());
  return list;
}

TEST_F(StorageMode, WhatIsShownMayBeSentBack) {
  for (const bool ten : {false, true}) {
    for (const iface::u8 flags : {0x00, 0x08, 0x10}) {
      for (const bool is_protected : {false, true}) {
        if (!ten && flags == 0x10) continue;  // LLBAA
        modes_.write_protected = is_protected;
        Octets list = sense(ten, 0x3f, 0, flags);
        EXPECT_EQ(select(ten, list), 0);
        EXPECT_EQ(modes_.write_protected, is_protected);
        list[ten ? 8 : 4] |= flags == 0x08 ? 0x80 : 0;  // PS
        EXPECT_EQ(select(ten, list), 0);
      }
    }
  }
}

TEST_F(StorageMode, SwpIsTheOneBitThatChanges) {
  for (const bool ten : {false, true}) {
    const size_t page = ten ? 8 : 4;
    const Octets mask = sense(ten, 0x3f, 1, 0x08);
    int ones = 0;
    for (size_t i = page; i < mask.size(); ++i) {
      if (i == page || i == page + 1 || i == page + 20 || i == page + 21) continue;
      ones += mask[i];
    }
    EXPECT_EQ(ones, kSwp);
    EXPECT_EQ(mask[page + 20 + 4], kSwp);

    EXPECT_EQ(select(ten, control_list(ten)), 0);
    EXPECT_TRUE(modes_.write_protected);
    EXPECT_EQ(sense(ten, 0x0a, 0, 0x08)[page + 4], kSwp);
    EXPECT_EQ(sense(ten, 0x0a, 2, 0x08)[page + 4], 0);         // default
    EXPECT_EQ(sense(ten, 0x08, 1, 0x08)[ten ? 3 : 2], 0x90);   // WP
    EXPECT_EQ(sense(ten, 0x0a, 0, 0x08, false)[page + 4], 0);  // of who has none
    EXPECT_EQ(sense(ten, 0x0a, 1, 0x08, false)[page + 4], 0);
    EXPECT_EQ(select_changed(ten, control_list(ten), [&](Octets& l) { l[page + 4] = 0; }), 0);
    EXPECT_FALSE(modes_.write_protected);
    EXPECT_EQ(sense(ten, 0x08, 0, 0x08)[ten ? 3 : 2], 0x10);
  }
}

// Every bit of a list, turned over by itself.
TEST_F(StorageMode, NoOtherBitCanBeChanged) {
  for (const bool ten : {false, true}) {
    const Octets list = sense(ten, 0x3f, 0, 0x08);
    const size_t header = ten ? 8 : 4;
    for (size_t bit = 8 * header; bit < 8 * list.size(); ++bit) {
      Octets turned = list;
      turned[bit / 8] ^= static_cast<iface::u8>(1U << bit % 8);
      const bool ps = bit % 8 == 7 && (bit / 8 == header || bit / 8 == header + 20);
      const bool swp = bit == 8 * (header + 20 + 4) + 3;
      EXPECT_EQ(select(ten, turned), ps || swp ? 0 : 0x26) << bit;
      EXPECT_EQ(modes_.write_protected, swp) << bit;
      modes_ = {};
    }
  }
}

// Wherever it is cut, but between two pages, a list does not do anything.
TEST_F(StorageMode, ACutListIsRefusedAsAWhole) {
  for (const bool ten : {false, true}) {
    Octets list = sense(ten, 0x3f);
    list[list.size() - 12 + 4] = kSwp;
    const size_t header = (ten ? 8U : 4U) + 8U;
    for (size_t size = 0; size < list.size(); ++size) {
      const bool whole = size == header || size == header + 20;
      EXPECT_EQ(select(ten, Octets(list.begin(), list.begin() + static_cast<long>(size))),
                whole ? 0 : 0x1a)
          << size;
      EXPECT_FALSE(modes_.write_protected);
    }
    list.push_back(0x0a);  // the beginning of one more page
    EXPECT_EQ(select(ten, list), 0x1a);
    EXPECT_FALSE(modes_.write_protected);
  }
}

TEST_F(StorageMode, AllPagesCountOrNone) {
  Octets list = control_list(false);
  const Octets off(list.begin() + 4, list.end());
  list.insert(list.end(), off.begin(), off.end());
  list[4 + 12 + 4] = 0;
  EXPECT_EQ(select(false, list), 0);
  EXPECT_FALSE(modes_.write_protected);  // the last one counts
  list[4 + 12 + 2] = 0x20;
  EXPECT_EQ(select(false, list), 0x26);
  EXPECT_FALSE(modes_.write_protected);
}

TEST_F(StorageMode, HeadersThatFitNothingAreRefused) {
  for (const bool ten : {false, true}) {
    const Octets list = control_list(ten);
    const size_t descriptor = ten ? 7 : 3;
    const auto with = [&](size_t at, int value) {
      return select_changed(ten, list, [&](Octets& l) { l[at] = static_cast<iface::u8>(value); });
    };
    EXPECT_EQ(with(ten ? 2 : 1, 1), 0x26);  // medium type
    for (const int length : {1, 7, 9, 16, 24, 255})
      EXPECT_EQ(with(descriptor, length), 0x26) << length;
    EXPECT_EQ(with(0, 0xff), 0);            // mode data length is reserved
    EXPECT_EQ(with(ten ? 3 : 2, 0xff), 0);  // WP and DPOFUA are ignored
    EXPECT_EQ(ten ? with(6, 0x80) : 0x26, 0x26);
    const size_t page = ten ? 8 : 4;
    EXPECT_EQ(with(page, 0x4a), 0x26);  // with a subpage
    for (const int code : {0x00, 0x01, 0x09, 0x0b, 0x3f})
      EXPECT_EQ(with(page, code), 0x26) << code;
    for (const int length : {0, 9, 11, 0xff})
      EXPECT_EQ(with(page + 1, length), 0x26) << length;
  }
}

TEST_F(StorageMode, TheMediumStaysAsItIs) {
  for (const bool long_lba : {false, true}) {
    const Octets list = sense(true, 0x0a, 0, long_lba ? 0x10 : 0);
    const size_t count = long_lba ? 8 + 7 : 8 + 3, length = long_lba ? 8 + 14 : 8 + 6;
    EXPECT_EQ(list[count], 0x45);
    EXPECT_EQ(list[length], 2);
    EXPECT_EQ(select(true, list), 0);
    EXPECT_EQ(select_changed(true, list, [&](Octets& l) { --l[count]; }), 0x26);
    EXPECT_EQ(select_changed(true, list, [&](Octets& l) { l[length] = 16; }), 0x26);
    const auto fill = [&](iface::u8 value) {
      return [=](Octets& l) {
        std::fill(l.begin() + 8, l.begin() + static_cast<long>(count) + 1, value);
      };
    };
    EXPECT_EQ(select_changed(true, list, fill(0)), 0);
    EXPECT_EQ(select_changed(true, list, fill(0xff)), 0);
    EXPECT_EQ(select_changed(true, list, [&](Octets& l) { l[length] = 0; }), 0);
  }
  // More blocks than the short descriptor can name.
  device_.blocks = 1ULL << 33;
  EXPECT_EQ(select(true, sense(true, 0x0a)), 0);
  EXPECT_EQ(select(true, sense(true, 0x0a, 0, 0x10)), 0);
}

TEST_F(StorageMode, ListsOfChanceAreSurvived) {
  unsigned random = 1;
  for (int i = 0; i < 20000; ++i) {
    Octets list = i % 2 == 0 ? sense(i % 4 == 0, 0x3f) : Octets(1 + i % 80U);
    for (int changes = 0; changes < 1 + i % 7; ++changes) {
      random = random * 1664525 + 1013904223;
      list[(random >> 8) % list.size()] = static_cast<iface::u8>(random >> 24);
    }
    list.resize(1 + (random >> 4) % list.size());
    const int said = select((random & 8) != 0, list);
    EXPECT_TRUE(said == 0 || said == 0x1a || said == 0x26) << said;
  }
}

}  // namespace
