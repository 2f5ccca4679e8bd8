// SPDX-License-Identifier: GPL-2.0-only
//
// Tags, the rule of placement and page pods. Layouts are checked against a model adapter that does
// what the chip does: it looks a byte of the command up in pods and asks which byte of which buffer
// it would write.
#include "offload/page_pods.hh"

#include <gtest/gtest.h>

#include <map>

#include "wire_bytes.hh"

namespace chiscsi::test {
namespace {

// --- Tags ---

TEST(TagFormat, FollowsTheMask) {
  // Bits 19..0: no-DDP bit 19, 13 bits of index, 6 of colour.
  const TagFormat format = TagFormat::from_mask(0x000fffff);
  EXPECT_TRUE(format.can_place());
  EXPECT_TRUE(format.is_ddp(0));
  EXPECT_TRUE(format.is_ddp(0x0007ffff));
  EXPECT_FALSE(format.is_ddp(0x00080000));
  EXPECT_TRUE(format.is_ddp(0xfff7ffff));
  // Index 0x1234, colour 0x2a: 0x1234 << 6 | 0x2a.
  const uint32_t tag = 0x1234u << 6 | 0x2a;
  EXPECT_EQ(format.index(tag), 0x1234u);
  EXPECT_EQ(TagFormat::colour(tag), 0x2au);
  EXPECT_EQ(format.pod_tag(tag), tag);
  EXPECT_EQ(format.pod_tag(0x7ffff), 0x7ffffu);
  EXPECT_EQ(format.index(0x7ffff), 0x1fffu);
  // What an initiator adds above the mask is no part of them.
  EXPECT_EQ(format.index(tag | 0xfff00000), 0x1234u);
  EXPECT_EQ(format.pod_tag(tag | 0xfff00000), tag);
  // The highest bit of the mask counts alone.
  EXPECT_EQ(TagFormat::from_mask(0x00080000).index(tag), 0x1234u);
}

TEST(TagFormat, OddMasksPlaceNothing) {
  EXPECT_FALSE(TagFormat().can_place());
  EXPECT_FALSE(TagFormat::from_mask(0).can_place());
  EXPECT_FALSE(TagFormat::from_mask(0x7f).can_place());  // No bit of index is left.
  EXPECT_TRUE(TagFormat::from_mask(0xff).can_place());
  EXPECT_TRUE(TagFormat::from_mask(0x3fffffff).can_place());
  EXPECT_FALSE(TagFormat::from_mask(0x40000000).can_place());
  EXPECT_FALSE(TagFormat::from_mask(0xffffffff).can_place());
  EXPECT_FALSE(TagFormat::from_mask(0).is_ddp(0));
  EXPECT_EQ(TagFormat::from_mask(0x7f).index(~0u), 0u);
  EXPECT_EQ(TagFormat::from_mask(0).pod_tag(~0u), 0u);
}

TEST(TagFormat, NonDdpTagsAreMadeAroundTheBit) {
  const TagFormat format = TagFormat::from_mask(0x000fffff);
  EXPECT_EQ(format.make_non_ddp(0), 0x00080000u);
  EXPECT_EQ(format.make_non_ddp(1), 0x00080001u);
  EXPECT_EQ(format.make_non_ddp(0x7ffff), 0x000fffffu);
  EXPECT_EQ(format.make_non_ddp(0x80000), 0x00180000u);  // Bit 19 moves to 20.
  EXPECT_EQ(format.make_non_ddp(0x7fffffff), 0xffffffffu);
  EXPECT_EQ(format.make_non_ddp(TagFormat::kMaxValue), 0xfffffffeu);
}

TEST(TagFormat, NonDdpTagsGoRound) {
  Random random(7);
  for (uint32_t bits = 0; bits <= 32; ++bits) {
    const TagFormat format =
        TagFormat::from_mask(bits == 0 ? 0 : static_cast<uint32_t>(0xffffffffull >> (32 - bits)));
    std::vector<uint32_t> values = {0, 1, 0x7ffffffe};
    for (int i = 0; i < 500; ++i)
      values.push_back(random.next() >> (1 + random.below(31)));
    std::map<uint32_t, uint32_t> seen;
    for (const uint32_t value : values) {
      const uint32_t tag = format.make_non_ddp(value);
      EXPECT_FALSE(format.is_ddp(tag));
      EXPECT_NE(tag, 0xffffffffu);
      EXPECT_EQ(format.non_ddp_value(tag), value) << bits;
      EXPECT_EQ(seen.emplace(tag, value).first->second, value);
    }
  }
}

TEST(PageSizes, IndexIsThatOfTheAdapter) {
  const uint8_t orders[LLD_PAGE_SIZES] = {0, 1, 2, 4};
  EXPECT_EQ(page_size_index(orders, 4096), 0);
  EXPECT_EQ(page_size_index(orders, 8192), 1);
  EXPECT_EQ(page_size_index(orders, 65536), 3);
  EXPECT_EQ(page_size_index(orders, 32768), -1);
  EXPECT_EQ(page_size_index(orders, 0), -1);
  const uint8_t odd[LLD_PAGE_SIZES] = {0xff, 0x12, 0xf4, 0x20};
  EXPECT_EQ(page_size_index(odd, 16384), 1);  // Low four bits.
  EXPECT_EQ(page_size_index(odd, 65536), 2);
  EXPECT_EQ(page_size_index(odd, 4096), 3);
}

// --- Layouts ---

char page_memory;  // Its address stands for a page struct.

chiscsi_sgvec page_piece(uint32_t offset, uint32_t length) {
  chiscsi_sgvec piece = {};
  piece.sg_page = &page_memory;
  piece.sg_offset = offset;
  piece.sg_length = length;
  return piece;
}
chiscsi_sgvec bus_piece(unsigned long address, uint32_t length) {
  chiscsi_sgvec piece = {};
  piece.sg_flag = ISCSI_SG_SBUF_DMABLE;
  piece.sg_dma_addr = address;
  piece.sg_length = length;
  return piece;
}
using Pieces = std::vector<chiscsi_sgvec>;
SgList list_of(const Pieces& pieces) {
  return {pieces.data(), static_cast<uint32_t>(pieces.size())};
}
uint32_t length_of(const Pieces& pieces) {
  uint32_t sum = 0;
  for (const chiscsi_sgvec& piece : pieces)
    sum += piece.sg_length;
  return sum;
}

NoPlacement placed(const Pieces& pieces, uint32_t total, uint32_t shift = 12) {
  PlacementLayout layout;
  const NoPlacement start = layout.start(total, shift);
  return start == NoPlacement::kNone ? layout.add_phase(list_of(pieces), 0) : start;
}

TEST(PlacementLayout, TakesWhatTheGuideAllows) {
  // One size of page, an offset in the first and a short last one.
  EXPECT_EQ(placed({page_piece(0, 4096)}, 4096), NoPlacement::kNone);
  EXPECT_EQ(placed({page_piece(0, 2048)}, 2048), NoPlacement::kNone);
  EXPECT_EQ(placed({page_piece(1024, 3072), page_piece(0, 4096), page_piece(0, 4)}, 7172),
            NoPlacement::kNone);
  EXPECT_EQ(placed({page_piece(4, 4000)}, 4000), NoPlacement::kNone);
  // Pieces of several pages, by page and by address.
  EXPECT_EQ(placed({page_piece(0, 65536), page_piece(0, 65536)}, 131072), NoPlacement::kNone);
  EXPECT_EQ(placed({page_piece(4096 + 512, 8192 - 512), page_piece(8192, 100)}, 7780),
            NoPlacement::kNone);
  EXPECT_EQ(placed({bus_piece(0x12345678004, 4092), bus_piece(0x1000, 8000)}, 12092),
            NoPlacement::kNone);
  // Larger pages: the same pieces are one page each.
  EXPECT_EQ(placed({page_piece(0, 65536), page_piece(0, 65536)}, 131072, 16), NoPlacement::kNone);
  EXPECT_EQ(placed({page_piece(8192, 57344), page_piece(0, 10)}, 57354, 16), NoPlacement::kNone);
  // A list that is longer than the data.
  EXPECT_EQ(placed({page_piece(0, 4096), page_piece(0, 4096), page_piece(12, 1)}, 5000),
            NoPlacement::kNone);
}

TEST(PlacementLayout, RefusesTheRest) {
  EXPECT_EQ(placed({page_piece(0, 4096)}, 2047), NoPlacement::kTooShort);
  EXPECT_EQ(placed({page_piece(0, 4096)}, 0), NoPlacement::kTooShort);
  EXPECT_EQ(placed({page_piece(0, ~0u)}, ~0u), NoPlacement::kTooLong);
  EXPECT_EQ(placed({}, 4096), NoPlacement::kNoList);
  // The first byte at no multiple of 4.
  EXPECT_EQ(placed({page_piece(2, 4094)}, 4094), NoPlacement::kOffset);
  EXPECT_EQ(placed({bus_piece(0x1001, 4095)}, 4095), NoPlacement::kOffset);
  // The first does not end a page, a middle one is short, begins inside, or has no bytes.
  EXPECT_EQ(placed({page_piece(0, 2048), page_piece(0, 4096)}, 6144), NoPlacement::kNotFullPages);
  EXPECT_EQ(placed({page_piece(0, 4096), page_piece(0, 4092), page_piece(0, 8)}, 8196),
            NoPlacement::kNotFullPages);
  EXPECT_EQ(placed({page_piece(0, 4096), page_piece(4, 4092)}, 8188), NoPlacement::kNotFullPages);
  EXPECT_EQ(placed({page_piece(0, 4096), page_piece(0, 0), page_piece(0, 4096)}, 8192),
            NoPlacement::kNotFullPages);
  EXPECT_EQ(placed({bus_piece(0x1000, 4096), bus_piece(0x2010, 4096)}, 8192),
            NoPlacement::kNotFullPages);
  // Half of a larger page.
  EXPECT_EQ(placed({page_piece(0, 65536), page_piece(0, 32768), page_piece(0, 32768)}, 131072, 16),
            NoPlacement::kNotFullPages);
}

TEST(PlacementLayout, MemoryOfTheCpuIsLeftToIt) {
  Pieces pieces = {page_piece(0, 4096), page_piece(0, 4096)};
  unsigned char byte = 0;
  pieces[1].sg_page = nullptr;
  pieces[1].sg_addr = &byte;
  PlacementLayout layout;
  ASSERT_EQ(layout.start(8192, 12), NoPlacement::kNone);
  EXPECT_EQ(layout.add_phase(list_of(pieces), 0), NoPlacement::kCpuOnly);
  EXPECT_EQ(layout.refused_element(), 1u);
  EXPECT_EQ(layout.known_bytes(), 0u);
  // A bus address wins over the page.
  pieces[1].sg_flag = ISCSI_SG_SBUF_DMABLE;
  pieces[1].sg_dma_addr = 0x7000;
  EXPECT_EQ(layout.add_phase(list_of(pieces), 0), NoPlacement::kNone);
}

TEST(PlacementLayout, CountsPagesWithTheOffset) {
  const Pieces pieces = {page_piece(4092, 4), page_piece(0, 65536)};
  PlacementLayout layout;
  ASSERT_EQ(layout.start(65536, 12, 17), NoPlacement::kNone);
  ASSERT_EQ(layout.add_phase(list_of(pieces), 0), NoPlacement::kNone);
  EXPECT_EQ(layout.page_offset(), 4092u);
  EXPECT_EQ(layout.total_pages(), 17u);
  EXPECT_EQ(layout.total_pods(), 5u);
  ASSERT_EQ(layout.start(65536, 12, 16), NoPlacement::kNone);
  EXPECT_EQ(layout.add_phase(list_of(pieces), 0), NoPlacement::kTooLong);
  EXPECT_EQ(layout.start(65537, 12, 16), NoPlacement::kTooLong);
  EXPECT_EQ(layout.add_phase(list_of(pieces), 0), NoPlacement::kGap);
}

// The list is longer than what of it is the command's.
TEST(PlacementLayout, EndsWithTheLoan) {
  const Pieces pieces = {page_piece(0, 8192), page_piece(0, 16384)};
  PlacementLayout layout;
  ASSERT_EQ(layout.start(32768, 12), NoPlacement::kNone);
  EXPECT_EQ(layout.add_phase(list_of(pieces), 0, 10'000), NoPlacement::kNotFullPages);
  EXPECT_EQ(layout.refused_element(), 1u);
  ASSERT_EQ(layout.add_phase(list_of(pieces), 0, 12288), NoPlacement::kNone);
  EXPECT_EQ(layout.known_bytes(), 12288u);
  EXPECT_FALSE(layout.knows(0, 12289));
  PageWalk walk(layout, list_of(pieces), 0);
  PageWalk::Page page;
  uint32_t count = 0;
  for (; walk.next(&page); ++count)
    EXPECT_EQ(page.length, count < 2 ? 8192u : 4096u);
  EXPECT_EQ(count, 3u);
  // What is behind the command's last byte need not end a page.
  EXPECT_EQ(layout.add_phase(list_of(pieces), 12288, 20'480), NoPlacement::kNone);
  EXPECT_EQ(layout.known_bytes(), 32768u);
}

TEST(PageWalk, EndsWithTheDataOrTheList) {
  PlacementLayout layout;
  const Pieces longer = {page_piece(0, 4096), page_piece(0, 12288), page_piece(0, 4096)};
  ASSERT_EQ(layout.start(5000, 12), NoPlacement::kNone);
  ASSERT_EQ(layout.add_phase(list_of(longer), 0), NoPlacement::kNone);
  PageWalk walk(layout, list_of(longer), 0);
  PageWalk::Page page;
  ASSERT_TRUE(walk.next(&page));
  EXPECT_EQ(page.element, 0u);
  ASSERT_TRUE(walk.next(&page));
  EXPECT_EQ(page.element, 1u);
  EXPECT_EQ(page.number, 1u);
  EXPECT_EQ(page.into, 0);
  EXPECT_FALSE(walk.next(&page));
  EXPECT_FALSE(walk.next(&page));
  // Of a list that is shorter than what is known, nothing is read behind its end.
  const Pieces shorter = {page_piece(512, 3584)};
  PageWalk end(layout, list_of(shorter), 0);
  EXPECT_TRUE(end.next(&page));
  EXPECT_FALSE(end.next(&page));
}

TEST(PlacementLayout, PhasesFollowEachOther) {
  const Pieces first = {page_piece(512, 3584), page_piece(0, 4096)};
  const Pieces second = {page_piece(0, 8192)};
  const Pieces last = {page_piece(0, 4096), page_piece(0, 100)};
  const uint32_t a = length_of(first), b = length_of(second), total = a + b + length_of(last);
  PlacementLayout layout;
  ASSERT_EQ(layout.start(total, 12), NoPlacement::kNone);
  EXPECT_EQ(layout.add_phase(list_of(second), a), NoPlacement::kGap);
  ASSERT_EQ(layout.add_phase(list_of(first), 0), NoPlacement::kNone);
  EXPECT_EQ(layout.known_bytes(), a);
  EXPECT_EQ(layout.known_pages(), 2u);
  EXPECT_TRUE(layout.knows(0, a));
  EXPECT_FALSE(layout.knows(0, a + 1));
  EXPECT_FALSE(layout.knows(~0u, ~0u));
  EXPECT_EQ(layout.add_phase(list_of(first), 0), NoPlacement::kGap);
  ASSERT_EQ(layout.add_phase(list_of(second), a), NoPlacement::kNone);
  EXPECT_EQ(layout.known_pages(), 4u);
  ASSERT_EQ(layout.add_phase(list_of(last), a + b), NoPlacement::kNone);
  EXPECT_EQ(layout.known_bytes(), total);
  EXPECT_EQ(layout.known_pages(), layout.total_pages());
  EXPECT_EQ(layout.add_phase(list_of(last), total), NoPlacement::kGap);
}

TEST(PlacementLayout, AMiddlePhaseMustEndAPage) {
  // As in the Guide's example of a message: "2/3, len 3072 xferoff 8192 NOT full pages".
  const Pieces first = {page_piece(0, 8192)};
  const Pieces second = {page_piece(0, 4096), page_piece(0, 3072), page_piece(0, 4096)};
  PlacementLayout layout;
  ASSERT_EQ(layout.start(65536, 12), NoPlacement::kNone);
  ASSERT_EQ(layout.add_phase(list_of(first), 0), NoPlacement::kNone);
  EXPECT_EQ(layout.add_phase(list_of(second), 8192), NoPlacement::kNotFullPages);
  EXPECT_EQ(layout.refused_element() + 1, 2u);
  EXPECT_EQ(second[layout.refused_element()].sg_length, 3072u);
  // What follows is a gap, and what was there stays.
  EXPECT_EQ(layout.add_phase(list_of(first), 8192 + length_of(second)), NoPlacement::kGap);
  EXPECT_EQ(layout.refused_element(), 0u);
  EXPECT_EQ(layout.known_bytes(), 8192u);
  // The end of a phase that is not the last is a border too.
  EXPECT_EQ(layout.add_phase(list_of({page_piece(0, 4096), page_piece(0, 100)}), 8192),
            NoPlacement::kNotFullPages);
}

// --- Pods ---

TEST(PagePods, RangesHoldTheAddressOfTheNext) {
  const auto range = [](uint32_t from, uint32_t to) {
    const PodRange pods = pods_of_pages(from, to);
    return std::make_pair(pods.first, pods.count);
  };
  using Range = std::pair<uint32_t, uint32_t>;
  EXPECT_EQ(range(0, 1), (Range{0, 1}));
  EXPECT_EQ(range(0, 4), (Range{0, 1}));
  EXPECT_EQ(range(0, 5), (Range{0, 2}));
  EXPECT_EQ(range(3, 8), (Range{0, 2}));
  EXPECT_EQ(range(4, 5), (Range{0, 2}));  // Pod 0 tells page 4 as well.
  EXPECT_EQ(range(5, 8), (Range{1, 1}));
  EXPECT_EQ(range(5, 9), (Range{1, 2}));
  EXPECT_EQ(range(8, 9), (Range{1, 2}));
  EXPECT_EQ(range(5, 5), (Range{0, 0}));
  EXPECT_EQ(range(6, 5), (Range{0, 0}));
}

TEST(PagePods, HaveTheirBytes) {
  // Six pages from offset 0x200: cxgbi_pagepod: valid bit 24 | tid, tag, length, offset, reserved
  // (64), four addresses and the first of the next pod. 6 * 4096 - 0x200 - 0x100 = 0x5d00.
  PlacementLayout layout;
  ASSERT_EQ(layout.start(0x5d00, 12), NoPlacement::kNone);
  ASSERT_EQ(layout.add_phase(list_of({page_piece(0x200, 0x5e00)}), 0), NoPlacement::kNone);
  const uint64_t pages[] = {0x11'0000'1000, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000};
  EXPECT_EQ(written(2 * kPodSize,
                    [&](uint8_t* out) { write_pods(out, layout, 0x123, 0x48d2a, pages, 0, 2); }),
            spaced("01000123 00048d2a 00005d00 00000200 00000000 00000000"
                   "00000011 00001000 00000000 00002000 00000000 00003000 00000000 00004000"
                   "00000000 00005000"
                   "01000123 00048d2a 00005d00 00000200 00000000 00000000"
                   "00000000 00005000 00000000 00006000 00000000 00000000 00000000 00000000"
                   "00000000 00000000"));
  EXPECT_EQ(pod_address(0x10000, 0x1234), 0x10000u + 0x48d00);
}

TEST(PagePods, WithoutAKnownPageAreInvalid) {
  PlacementLayout layout;
  ASSERT_EQ(layout.start(65536, 12), NoPlacement::kNone);
  ASSERT_EQ(layout.add_phase(list_of({page_piece(0, 16384)}), 0), NoPlacement::kNone);
  const uint64_t pages[] = {0x1000, 0x2000, 0x3000, 0x4000};
  uint8_t bytes[4 * kPodSize] = {};
  write_pods(bytes, layout, 1, 0x40, pages, 0, layout.total_pods());
  // SAFETY: pods of bytes.
  const auto* pods = reinterpret_cast<const PagePod*>(bytes);
  EXPECT_EQ(pods[0].valid_tid.get(), kPodValid | 1);
  // Only what is known may be written to.
  EXPECT_EQ(pods[0].max_offset.get(), 16384u);
  for (int i = 1; i < 4; ++i)
    EXPECT_EQ(pods[i].valid_tid.get(), 0u);
}

// The adapter: pods in its memory, and what a byte of the command hits.
class ModelAdapter {
 public:
  explicit ModelAdapter(uint32_t pods) : memory_(size_t{pods} * kPodSize, 0xff) {}
  void write(uint32_t first, const uint8_t* pods, uint32_t count) {
    std::copy(pods, pods + size_t{count} * kPodSize,
              memory_.begin() + static_cast<long>(first) * kPodSize);
  }
  // The bus address of a byte, or 0. `start`: where the PDU began, whose pod is used for up to five
  // pages.
  uint64_t hit(uint32_t start, uint32_t at, uint32_t shift, uint32_t tid, uint32_t tag) const {
    const auto* pods = reinterpret_cast<const PagePod*>(memory_.data());
    const uint64_t offset = pods[0].page_offset.get();
    const uint64_t page = (offset + at) >> shift;
    const uint64_t pod = ((offset + start) >> shift) / kPodPages;
    if (pod >= memory_.size() / kPodSize) return 0;
    const PagePod& chosen = pods[pod];
    if (chosen.valid_tid.get() != (kPodValid | tid) || chosen.tag.get() != tag) return 0;
    if (at >= chosen.max_offset.get() || chosen.page_offset.get() != offset) return 0;
    const uint64_t nth = page - pod * kPodPages;
    if (nth > kPodPages || chosen.address[nth].get() == 0) return 0;
    return chosen.address[nth].get() + ((offset + at) & ((uint64_t{1} << shift) - 1));
  }

 private:
  std::vector<uint8_t> memory_;
};

// A command's data in phases of pieces at bus addresses that do not touch each other.
struct RandomCommand {
  RandomCommand(Random& random, uint32_t shift) {
    const uint32_t page = 1u << shift;
    uint32_t offset = random.chance(2) ? 0 : random.below(page / 4) * 4;
    uint64_t bus = 1ull << 40;
    const uint32_t phase_count = 1 + random.below(4);
    for (uint32_t i = 0; i < phase_count; ++i) {
      phases.emplace_back();
      const uint32_t pieces = 1 + random.below(5);
      for (uint32_t j = 0; j < pieces; ++j) {
        const bool last = i + 1 == phase_count && j + 1 == pieces;
        uint32_t length = page * (1 + random.below(3)) - offset;
        if (last) length -= random.below(length);
        phases.back().push_back(bus_piece(bus + offset, length));
        for (uint32_t k = 0; k < length; k += 1021)
          bytes.emplace_back(total + k, bus + offset + k);
        bytes.emplace_back(total + length - 1, bus + offset + length - 1);
        total += length;
        bus += 1u << 20;
        offset = 0;
      }
    }
  }
  std::vector<Pieces> phases;
  std::vector<std::pair<uint32_t, uint64_t>> bytes;  // Samples: where they belong.
  uint32_t total = 0;
};

TEST(PagePods, LeadEveryByteToItsBuffer) {
  int commands = 0;
  for (uint32_t seed = 1; seed <= 400; ++seed) {
    Random random(seed);
    const uint32_t shifts[] = {12, 13, 14, 16};
    const uint32_t shift = shifts[seed % 4];
    const RandomCommand command(random, shift);
    PlacementLayout layout;
    if (layout.start(command.total, shift) != NoPlacement::kNone) continue;
    ++commands;
    std::vector<uint64_t> pages;
    std::unique_ptr<ModelAdapter> adapter;
    uint32_t offset = 0;
    for (const Pieces& phase : command.phases) {
      const uint32_t from = layout.known_pages();
      ASSERT_EQ(layout.add_phase(list_of(phase), offset), NoPlacement::kNone) << seed;
      PageWalk walk(layout, list_of(phase), offset);
      PageWalk::Page page;
      while (walk.next(&page)) {
        ASSERT_EQ(page.number, pages.size());
        ASSERT_LT(page.element, phase.size());
        pages.push_back(phase[page.element].sg_dma_addr + static_cast<uint64_t>(page.into));
        ASSERT_EQ(pages.back() % 4096, 0u);
      }
      ASSERT_EQ(pages.size(), layout.known_pages());
      PodRange range = pods_of_pages(from, layout.known_pages());
      if (adapter == nullptr) {
        adapter = std::make_unique<ModelAdapter>(layout.total_pods());
        range = {0, layout.total_pods()};
      }
      for (uint32_t done = 0; done < range.count; done += 3) {
        const uint32_t count = std::min(3u, range.count - done);
        std::vector<uint8_t> pods(size_t{count} * kPodSize);
        write_pods(pods.data(), layout, 9, 0x40, {pages.data(), pages.size()}, range.first + done,
                   count);
        adapter->write(range.first + done, pods.data(), count);
      }
      offset += length_of(phase);
      // All that is known hits its byte, from any PDU of up to four pages in this phase; nothing
      // else hits anything.
      const uint32_t known = layout.known_bytes();
      for (const auto& [at, bus] : command.bytes) {
        const uint64_t expected = at < known ? bus : 0;
        ASSERT_EQ(adapter->hit(at, at, shift, 9, 0x40), expected) << seed << " at " << at;
        ASSERT_EQ(adapter->hit(at, at, shift, 8, 0x40), 0u);
        ASSERT_EQ(adapter->hit(at, at, shift, 9, 0x41), 0u);
        // A PDU that began in the last page before.
        const uint32_t page_back = at > layout.page_size() ? at - layout.page_size() : 0;
        ASSERT_TRUE(expected == 0 || adapter->hit(page_back, at, shift, 9, 0x40) == expected);
      }
      ASSERT_EQ(adapter->hit(known, known, shift, 9, 0x40), 0u);
    }
    ASSERT_EQ(layout.known_bytes(), command.total);
  }
  EXPECT_GT(commands, 300);
}

// The rule said again, by pages of a model: a list can be placed when cutting it into pieces of one
// page each leaves no page with two pieces and none that begins inside.
bool model_placeable(const Pieces& pieces, uint32_t total, uint32_t shift) {
  const uint32_t page = 1u << shift;
  uint64_t at = 0;
  uint64_t in_page = pieces[0].sg_dma_addr % page;
  if (total < 2048 || in_page % 4 != 0) return false;
  for (size_t i = 0; i < pieces.size() && at < total; ++i) {
    if (pieces[i].sg_length == 0) return false;
    if (i != 0 && (in_page != 0 || pieces[i].sg_dma_addr % 4096 != 0)) return false;
    at += pieces[i].sg_length;
    in_page = (in_page + pieces[i].sg_length) % page;
  }
  return at >= total || in_page == 0;
}

TEST(PlacementLayout, AgreesWithAModelOverRandomLists) {
  int yes = 0, no = 0;
  for (uint32_t seed = 1; seed <= 20000; ++seed) {
    Random random(seed);
    const uint32_t shift = seed % 2 == 0 ? 12 : 13;
    const uint32_t page = 1u << shift;
    Pieces pieces;
    const uint32_t count = 1 + random.below(4);
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t offset =
          random.below(i == 0 ? 2 : 12) != 0 ? 0 : random.below(page) & ~random.below(4);
      const uint32_t length =
          random.chance(10) ? random.below(3 * page) : page * (1 + random.below(2)) - offset;
      pieces.push_back(bus_piece(0x10000ul * page * i + offset, length));
    }
    const uint32_t sum = length_of(pieces);
    const uint32_t total =
        random.chance(3) ? sum + random.below(3) * page : sum - random.below(sum == 0 ? 1 : sum);
    const bool expected = model_placeable(pieces, total, shift);
    ASSERT_EQ(placed(pieces, total, shift) == NoPlacement::kNone, expected) << seed;
    ++(expected ? yes : no);
  }
  EXPECT_GT(yes, 4000);
  EXPECT_GT(no, 4000);
}

}  // namespace
}  // namespace chiscsi::test
