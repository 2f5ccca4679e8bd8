// SPDX-License-Identifier: GPL-2.0-only
//
// Direct placement: tags, page pods, and which buffers can be placed into.
//
// A page pod is 64 bytes of adapter memory with the bus addresses of four pages of a command's
// buffer, and of the first one of the next pod. The Target Transfer Tag of an R2T names the first
// pod of the command. Everything here is arithmetic: reserving pods, mapping memory and sending is
// the caller's. Command offsets count from the first byte of the command's data. Context: any.
#pragma once

#include "base/endian.hh"
#include "base/span.hh"
#include "offload/lld.h"
#include "transport/sg_cursor.hh"

namespace chiscsi {

// --- Tags ---

// [31:30 page size, 0][free][no-DDP bit][index][colour 5:0], by the adapter's mask.
class TagFormat {
 public:
  TagFormat() = default;  // Of an adapter that places nothing: every tag is a non-DDP tag.
  static TagFormat from_mask(uint32_t tag_mask);

  // False when the mask leaves no room for an index, or reaches into the page size bits.
  bool can_place() const { return bits_ > 1 + kColourBits && bits_ <= 30; }
  bool is_ddp(uint32_t tag) const { return bits_ != 0 && (tag & no_ddp_bit()) == 0; }
  // Of a DDP tag: its first pod's slot, base index included, and the colour.
  uint32_t index(uint32_t tag) const;
  static uint32_t colour(uint32_t tag) { return tag & ((1u << kColourBits) - 1); }
  // What stands in the pods of a DDP tag.
  uint32_t pod_tag(uint32_t tag) const;

  // A tag that the adapter leaves alone, for a value of 31 bits, and back. Values up to kMaxValue
  // never give the reserved tag 0xffffffff. Precondition of non_ddp_value(): !is_ddp(tag). A value
  // from the wire is the caller's to check.
  static constexpr uint32_t kMaxValue = 0x7fff'fffe;
  uint32_t make_non_ddp(uint32_t value) const;
  uint32_t non_ddp_value(uint32_t tag) const;

 private:
  static constexpr uint32_t kColourBits = 6;
  uint32_t no_ddp_bit() const { return bits_ == 0 ? 0 : 1u << (bits_ - 1); }
  uint32_t bits_ = 0;  // Up to and with the no-DDP bit; 0: there is none.
};

// --- Page sizes ---

inline constexpr uint32_t kBasePageShift = 12;
// The adapter's index of a page size, by lld_device_info.page_orders; -1: it does not have it.
int page_size_index(const uint8_t* page_orders, uint32_t page_size);

// --- Which buffers ---

inline constexpr uint32_t kMinPlacedBytes = 2048;  // Guide 7.3.5.1, "Requirement for DDP".
inline constexpr uint32_t kMaxPlacedPages = 0xffff;

enum class NoPlacement : uint8_t {
  kNone,          // It can be placed.
  kTooShort,      // The command has less than kMinPlacedBytes.
  kTooLong,       // More than kMaxPlacedPages pages, or the caller's limit.
  kNoList,        // No elements.
  kCpuOnly,       // Memory that only the CPU can reach. "No DDP: sgcnt %u sgl 0x%p, ..."
  kOffset,        // The first byte is at no multiple of 4. "No DDP: sgcnt %u sgl 0x%p, ..."
  kNotFullPages,  // "%u/%u, len %u xferoff %u NOT full pages": element + 1, count, sg_length,
                  // sgl_offset.
  kGap,           // Its data does not begin where that of the phases before ended.
};

// How the data of one command lies in pages of one size: the Guide's rule. Phases are added in
// order, each with the whole list of the storage driver; together they may end before `total`.
//
// The first element may begin inside a page, all others begin a page; all but the one with the
// command's last byte end a page. An element of several pages counts as that many. Of a list that
// is longer than `length` the rest is not there. Memory of a page
// struct or a bus address is counted from the start of its page (of 4 KiB for the elements behind
// the first, whose page address has to be a multiple of that).
class PlacementLayout {
 public:
  // `total`: all data of the command.
  NoPlacement start(uint32_t total, uint32_t page_shift, uint32_t max_pages = kMaxPlacedPages);
  // With an answer other than kNone nothing has changed, and phases behind it are a kGap.
  NoPlacement add_phase(SgList list, uint32_t sgl_offset, uint32_t length = ~0u);
  // Of the last add_phase() that was refused: the element that did not suit.
  uint32_t refused_element() const { return refused_element_; }

  uint32_t total() const { return total_; }
  uint32_t page_shift() const { return page_shift_; }
  uint32_t page_size() const { return 1u << page_shift_; }
  // Valid from the first phase on:
  uint32_t page_offset() const { return page_offset_; }  // Of the first byte in page 0.
  uint32_t total_pages() const { return pages_until(total_); }
  uint32_t total_pods() const { return (total_pages() + 3) / 4; }
  // What was added so far: bytes, and the pages that hold them.
  uint32_t known_bytes() const { return known_; }
  bool knows(uint32_t offset, uint32_t length) const {
    return static_cast<uint64_t>(offset) + length <= known_;
  }
  uint32_t known_pages() const { return known_ == 0 ? 0 : pages_until(known_); }

 private:
  uint32_t pages_until(uint32_t offset) const {
    return static_cast<uint32_t>((static_cast<uint64_t>(page_offset_) + offset + page_size() - 1) >>
                                 page_shift_);
  }
  NoPlacement check_element(const chiscsi_sgvec& element, uint64_t at, uint32_t page_offset) const;

  uint32_t total_ = 0;
  uint32_t page_shift_ = kBasePageShift;
  uint32_t max_pages_ = 0;
  uint32_t page_offset_ = 0;
  uint32_t known_ = 0;
  uint32_t refused_element_ = 0;
};

// The pages of one phase, after add_phase() took it. The bus address of a page is that of the
// element's first byte plus `into`, which is negative for a page that begins before its element.
class PageWalk {
 public:
  struct Page {
    uint32_t number = 0;   // In the command.
    uint32_t element = 0;  // Of the list.
    int64_t into = 0;
    uint32_t length = 0;  // Of the element, what is the phase's.
  };
  PageWalk(const PlacementLayout& layout, SgList list, uint32_t sgl_offset)
      : layout_(layout), list_(list), at_(sgl_offset) {}
  // False at the end.
  bool next(Page* page);

 private:
  const PlacementLayout& layout_;
  SgList list_;
  uint64_t at_;  // Where the current element begins in the command.
  uint32_t element_ = 0;
  uint32_t within_ = 0;  // Pages of the element that were told.
};

// --- Pods ---

inline constexpr uint32_t kPodSize = 64;
inline constexpr uint32_t kPodPages = 4;

struct PagePod {
  Be32 valid_tid, tag, max_offset, page_offset;
  Be64 reserved;
  Be64 address[kPodPages + 1];
};
static_assert(sizeof(PagePod) == kPodSize && alignof(PagePod) == 1);
inline constexpr uint32_t kPodValid = 1u << 24;

// The adapter memory of a slot (base index included).
constexpr uint32_t pod_address(uint32_t llimit, uint32_t slot) { return llimit + slot * kPodSize; }

struct PodRange {
  uint32_t first = 0;  // Counted in the command.
  uint32_t count = 0;
};
// The pods to be written when the pages [from, to) of a command become known: with the one before,
// whose last address is that of `from`. The first time write all total_pods(), known or not: what
// was in the slots before may be valid.
PodRange pods_of_pages(uint32_t from, uint32_t to);

// Fills pods [first, first + count) of a command into zero bytes at `out`. `pages`: the bus
// addresses known so far, from page 0 on: layout.known_pages() of them. A pod without a known page
// stays zero, invalid; no pod lets the adapter write behind what is known.
void write_pods(uint8_t* out, const PlacementLayout& layout, uint32_t tid, uint32_t pod_tag,
                Span<const uint64_t> pages, uint32_t first, uint32_t count);

}  // namespace chiscsi
