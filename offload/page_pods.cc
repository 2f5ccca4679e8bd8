// SPDX-License-Identifier: GPL-2.0-only
//
// Tags, the rule of placement, and the bytes of page pods: see the header.
#include "offload/page_pods.hh"

namespace chiscsi {

namespace {

constexpr uint32_t kTagPageSizeMask = 0x3fff'ffff;  // All but the two bits of the page size.
constexpr uint32_t kPageAlignment = 1u << kBasePageShift;

// The low bits of where an element begins: of its bus address, or in its (compound) page.
bool reachable(const chiscsi_sgvec& element) {
  return (element.sg_flag & ISCSI_SG_SBUF_DMABLE) != 0 || element.sg_page != nullptr;
}
uint64_t position_of(const chiscsi_sgvec& element) {
  return (element.sg_flag & ISCSI_SG_SBUF_DMABLE) != 0 ? element.sg_dma_addr : element.sg_offset;
}

}  // namespace

TagFormat TagFormat::from_mask(uint32_t tag_mask) {
  TagFormat format;
  while (format.bits_ < 32 && tag_mask >> format.bits_ != 0)
    ++format.bits_;
  return format;
}

uint32_t TagFormat::index(uint32_t tag) const {
  if (!can_place()) return 0;
  return tag >> kColourBits & ((1u << (bits_ - 1 - kColourBits)) - 1);
}

uint32_t TagFormat::pod_tag(uint32_t tag) const {
  return bits_ == 0 ? 0 : tag & (no_ddp_bit() - 1) & kTagPageSizeMask;
}

uint32_t TagFormat::make_non_ddp(uint32_t value) const {
  if (bits_ == 0) return value;
  const uint32_t lower = value & (no_ddp_bit() - 1);
  const uint64_t upper = static_cast<uint64_t>(value >> (bits_ - 1)) << bits_;
  return static_cast<uint32_t>(upper) | no_ddp_bit() | lower;
}

uint32_t TagFormat::non_ddp_value(uint32_t tag) const {
  if (bits_ == 0) return tag;
  const uint64_t upper = static_cast<uint64_t>(tag) >> bits_ << (bits_ - 1);
  return static_cast<uint32_t>(upper) | (tag & (no_ddp_bit() - 1));
}

int page_size_index(const uint8_t* page_orders, uint32_t page_size) {
  for (int i = 0; i < LLD_PAGE_SIZES; ++i) {
    if (uint64_t{1} << (kBasePageShift + (page_orders[i] & 0xf)) == page_size) return i;
  }
  return -1;
}

NoPlacement PlacementLayout::start(uint32_t total, uint32_t page_shift, uint32_t max_pages) {
  *this = {};
  page_shift_ = page_shift;
  max_pages_ = max_pages < kMaxPlacedPages ? max_pages : kMaxPlacedPages;
  if (total < kMinPlacedBytes) return NoPlacement::kTooShort;
  if (pages_until(total) > max_pages_) return NoPlacement::kTooLong;
  total_ = total;
  return NoPlacement::kNone;
}

NoPlacement PlacementLayout::check_element(const chiscsi_sgvec& element, uint64_t at,
                                           uint32_t page_offset) const {
  if (!reachable(element)) return NoPlacement::kCpuOnly;
  if (page_offset % 4 != 0) return NoPlacement::kOffset;
  const uint64_t begin = page_offset + at;
  const uint64_t end = begin + element.sg_length;
  const uint64_t in_page = begin % page_size();
  const bool begins_page = in_page == (at == 0 ? page_offset : 0u);
  const bool aligned = (position_of(element) - in_page) % kPageAlignment == 0;
  const bool ends = end % page_size() == 0 || at + element.sg_length >= total_;
  if (element.sg_length == 0 || !begins_page || !aligned || !ends)
    return NoPlacement::kNotFullPages;
  return NoPlacement::kNone;
}

NoPlacement PlacementLayout::add_phase(SgList list, uint32_t sgl_offset, uint32_t length) {
  refused_element_ = 0;
  if (sgl_offset != known_ || known_ >= total_) return NoPlacement::kGap;
  if (list.elements == nullptr || list.count == 0) return NoPlacement::kNoList;
  PlacementLayout next = *this;
  if (known_ == 0)
    next.page_offset_ = static_cast<uint32_t>(position_of(list.elements[0]) % page_size());
  uint64_t at = sgl_offset;
  const uint64_t end = at + length < total_ ? at + length : total_;
  for (uint32_t i = 0; i < list.count && at < end; ++i) {
    refused_element_ = i;
    chiscsi_sgvec element = list.elements[i];
    if (element.sg_length > end - at) element.sg_length = static_cast<unsigned int>(end - at);
    const NoPlacement answer = check_element(element, at, next.page_offset_);
    if (answer != NoPlacement::kNone) return answer;
    at += element.sg_length;
  }
  refused_element_ = 0;
  if (next.total_pages() > max_pages_) return NoPlacement::kTooLong;
  next.known_ = static_cast<uint32_t>(at);
  *this = next;
  return NoPlacement::kNone;
}

bool PageWalk::next(Page* page) {
  while (element_ < list_.count && at_ < layout_.known_bytes()) {
    const uint32_t shift = layout_.page_shift();
    const uint64_t left = layout_.known_bytes() - at_;
    const uint64_t length = list_.elements[element_].sg_length;
    const uint64_t begin = layout_.page_offset() + at_;
    const uint64_t end = begin + (length < left ? length : left);
    const uint64_t number = (begin >> shift) + within_;
    if (number << shift < end) {
      ++within_;
      *page = {static_cast<uint32_t>(number), element_,
               static_cast<int64_t>(number << shift) - static_cast<int64_t>(begin),
               static_cast<uint32_t>(end - begin)};
      return true;
    }
    at_ += length;
    ++element_;
    within_ = 0;
  }
  return false;
}

PodRange pods_of_pages(uint32_t from, uint32_t to) {
  if (from >= to) return {};
  const uint32_t first = from == 0 ? 0 : (from - 1) / kPodPages;
  return {first, (to - 1) / kPodPages - first + 1};
}

void write_pods(uint8_t* out, const PlacementLayout& layout, uint32_t tid, uint32_t pod_tag,
                Span<const uint64_t> pages, uint32_t first, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    const Span<const uint64_t> here = pages.skip(static_cast<size_t>(first + i) * kPodPages);
    if (here.empty()) return;
    // SAFETY: a layout of bytes; the caller promised `count` of them.
    auto& pod = *reinterpret_cast<PagePod*>(out + static_cast<size_t>(i) * kPodSize);
    pod.valid_tid = kPodValid | (tid & 0xff'ffff);
    pod.tag = pod_tag;
    pod.max_offset = layout.known_bytes();
    pod.page_offset = layout.page_offset();
    for (size_t page = 0; page < here.size() && page <= kPodPages; ++page)
      pod.address[page] = here[page];
  }
}

}  // namespace chiscsi
