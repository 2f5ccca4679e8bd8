// SPDX-License-Identifier: GPL-2.0-only
//
// Fuzzer of the offload transport against an adapter that lies: with live sessions, messages of the
// adapter are lost, doubled, put off, cut short, bent and given another tid, old ones come again,
// and made-up ones of any kind come at any time. See adapter_scene.hh for the input; events from
// 0xf4 on are the lies. Initiators judge nothing here. Oracles: the sanitizers, every hook of the
// storage driver in its place, and that everything ends and all memory is back when the adapter is
// taken away.
#include <cstring>
#include <deque>

#include "adapter_scene.hh"
#include "offload/cpl.hh"
#include "offload/lld.h"
#include "offload/sim/device.hh"

namespace {

using namespace chiscsi;
using namespace chiscsi::fuzz;

enum class Lie : uint8_t { kNone, kLose, kDouble, kPutOff, kBend, kOtherTid, kCutShort };

// Between the software adapter and its client. Everything goes through as bytes.
class Liar {
 public:
  struct Text {
    uint32_t queue = 0;
    bool is_inline = false;
    std::vector<uint8_t> bytes;
  };

  static Liar& instance() {
    static auto* one = new Liar;
    return *one;
  }
  const lld_ops* ops() {
    ops_ = *sim_backend();
    ops_.start = [](const lld_client* client) { return instance().start(*client); };
    // What is said to be sent may be freed: the adapter below reads a copy.
    ops_.buffer_add = [](lld_buffer* buffer, const os_fragment* piece) {
      return sim_backend()->buffer_add(buffer, &instance().copy_of(*piece));
    };
    return &ops_;
  }
  void forget() { *this = Liar(); }

  void plan(Lie lie, uint8_t skip, uint32_t a, uint32_t b) {
    lie_ = lie;
    skip_ = skip;
    a_ = a;
    b_ = b;
  }
  // As if it came from the adapter.
  void say(const Text& text, uint32_t cut) {
    if (handle_ == nullptr) return;
    const HostAtomicSection softirq;
    deliver(text, cut);
    client_.poll_end(handle_, text.queue);
  }
  void say_old(size_t which, uint32_t cut) {
    if (!seen_.empty()) say(Text(seen_[which % seen_.size()]), cut);
  }
  void say_put_off() {
    while (!put_off_.empty()) {
      const Text text = std::move(put_off_.back());
      put_off_.pop_back();
      say(text, 0);
    }
  }

 private:
  static constexpr size_t kMostSeen = 16;

  os_fragment& copy_of(const os_fragment& piece) {
    const void* base = piece.page != nullptr ? piece.page : piece.address;
    const auto* bytes = static_cast<const uint8_t*>(base) + piece.offset;
    copies_.push_back({{bytes, bytes + piece.length}, {}});
    Copy& copy = copies_.back();
    copy.piece = {nullptr, copy.bytes.data(), 0, piece.length};
    return copy.piece;
  }

  int start(const lld_client& client) {
    client_ = client;
    lld_client own = client;
    own.dev_add = [](const lld_ops*, lld_device* dev, const lld_device_info* info) {
      Liar& self = instance();
      return self.handle_ = self.client_.dev_add(&self.ops_, dev, info);
    };
    own.dev_gone = [](void* handle) {
      instance().handle_ = nullptr;
      instance().client_.dev_gone(handle);
    };
    own.cpl_in = [](void*, const lld_ingress* message) { return instance().hear(*message); };
    return sim_backend()->start(&own);
  }

  static Text flat(const lld_ingress& message) {
    Text text;
    text.queue = message.queue;
    text.is_inline = message.bytes != nullptr;
    if (text.is_inline) text.bytes.assign(message.bytes, message.bytes + message.size);
    for (uint32_t i = 0; i < message.fragment_count; ++i) {
      const os_fragment& piece = message.fragments[i];
      const auto* start = static_cast<const uint8_t*>(piece.page) + piece.offset;
      text.bytes.insert(text.bytes.end(), start, start + piece.length);
    }
    return text;
  }

  int hear(const lld_ingress& message) {
    Text text = flat(message);
    seen_.push_back(text);
    if (seen_.size() > kMostSeen) seen_.pop_front();
    const bool is_due = lie_ != Lie::kNone && skip_-- == 0;
    if (!is_due) return client_.cpl_in(handle_, &message);
    for (uint32_t i = 0; i < message.fragment_count; ++i)
      sim_backend()->page_put(message.fragments[i].page);
    tell(std::exchange(lie_, Lie::kNone), text);
    return 0;
  }

  void tell(Lie lie, Text& text) {
    switch (lie) {
      case Lie::kLose:
        return;
      case Lie::kPutOff:
        put_off_.push_back(text);
        return;
      case Lie::kDouble:
        deliver(text, 0);
        break;
      case Lie::kBend:
        text.bytes[a_ % std::min<size_t>(text.bytes.size(), 80)] = static_cast<uint8_t>(b_);
        break;
      case Lie::kOtherTid:
        text.bytes[3] = static_cast<uint8_t>(a_ % 20);
        break;
      default:
        text.bytes.resize(a_ % (text.bytes.size() + 1));
        break;
    }
    deliver(text, b_);
  }

  // Memory is as long as the message, so that a step beyond its end is seen.
  void deliver(const Text& text, uint32_t cut) {
    lld_ingress message = {};
    message.queue = text.queue;
    const std::vector<uint8_t> exact(text.bytes);
    os_fragment pieces[sim::Message::kMostFragments] = {};
    if (text.is_inline) {
      message.bytes = exact.data();
      message.size = static_cast<uint32_t>(exact.size());
    } else {
      message.fragments = pieces;
      size_t size = 1 + cut % 100;
      for (size_t at = 0; at < exact.size() && message.fragment_count < std::size(pieces);) {
        size = std::min<size_t>({size, exact.size() - at, OS_PAGE_SIZE});
        void* page = os_page_alloc(OS_ALLOC_ATOMIC);
        // At the end of its page.
        const auto offset = static_cast<uint32_t>(OS_PAGE_SIZE - size);
        memcpy(static_cast<uint8_t*>(page) + offset, exact.data() + at, size);
        pieces[message.fragment_count++] = {page, nullptr, offset, static_cast<uint32_t>(size)};
        sim::client_pages.fetch_add(1);
        at += size;
        size = OS_PAGE_SIZE;
      }
      if (message.fragment_count == 0) return;
    }
    if (client_.cpl_in(handle_, &message) == 0) return;
    for (uint32_t i = 0; i < message.fragment_count; ++i)
      sim_backend()->page_put(pieces[i].page);
  }

  struct Copy {
    std::vector<uint8_t> bytes;
    os_fragment piece;
  };

  lld_ops ops_ = {};
  lld_client client_ = {};
  std::deque<Copy> copies_;
  void* handle_ = nullptr;
  std::deque<Text> seen_;
  std::vector<Text> put_off_;
  Lie lie_ = Lie::kNone;
  uint8_t skip_ = 0;
  uint32_t a_ = 0, b_ = 0;
};

class LyingScene : public AdapterScene {
 public:
  explicit LyingScene(Input input) : AdapterScene(input) {
    is_honest_ = false;
    storage_.takes_any_data = true;
  }

 private:
  const lld_ops* backend() override { return Liar::instance().ops(); }

  void adapter_event(uint8_t code) override {
    Liar& liar = Liar::instance();
    switch (code % 6) {
      case 0:
        return AdapterScene::adapter_event(input_.byte());
      case 1:
        make_up();
        break;
      case 2:
        liar.say_old(input_.byte(), input_.byte());
        break;
      case 3:
        liar.say_put_off();
        break;
      default: {
        const uint8_t what = input_.byte();
        const uint32_t a = input_.half(), b = input_.byte();
        liar.plan(static_cast<Lie>(1 + what % 6), what >> 5, a, b);
        break;
      }
    }
    settle();
  }

  // A message of any opcode, for one of the first tids or servers, with fields from the input.
  void make_up() {
    using cpl::Opcode;
    static constexpr Opcode kOpcodes[] = {
        Opcode::kPassAcceptReq, Opcode::kPassEstablish,   Opcode::kPeerClose, Opcode::kAbortReqRss,
        Opcode::kAbortRplRss,   Opcode::kCloseConRpl,     Opcode::kIscsiHdr,  Opcode::kIscsiData,
        Opcode::kRxIscsiCmp,    Opcode::kRxIscsiDdp,      Opcode::kSetTcbRpl, Opcode::kFw4Ack,
        Opcode::kPassOpenRpl,   Opcode::kCloseListsrvRpl, Opcode::kRxData,    Opcode::kRxDataDdp};
    static constexpr uint8_t kSizes[] = {98, 32, 12, 8,  8, 20, 64, 16,
                                         72, 32, 24, 24, 8, 8,  16, 16};
    const uint8_t kind = input_.byte(), how = input_.byte();
    const size_t which = kind % std::size(kOpcodes);
    Liar::Text text;
    text.queue = kind >> 7;
    text.is_inline = (how & 0x80) != 0;
    const std::string rest = input_.bytes(how >> 4 & 3 ? 8u * (how >> 4 & 3) : 0);
    text.bytes.resize(std::max<size_t>(kSizes[which], 4));
    std::copy(rest.begin(),
              rest.begin() + static_cast<long>(std::min(rest.size(), text.bytes.size() - 4)),
              text.bytes.begin() + 4);
    const bool is_server =
        kOpcodes[which] == Opcode::kPassOpenRpl || kOpcodes[which] == Opcode::kCloseListsrvRpl;
    reinterpret_cast<cpl::OpcodeTid*>(text.bytes.data())
        ->set(kOpcodes[which], (how & 7u) + (is_server ? 0x800u : 0u));
    Liar::instance().say(text, input_.byte());
  }

  // An adapter that tells nothing more is waited for until it is taken away.
  void adapter_before_the_end() override { sim_state(adapter_.device, LLD_STATE_DETACH); }
  void adapter_ends() override {
    AdapterScene::adapter_ends();
    Liar::instance().forget();
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 9) return 0;
  const uint64_t before = host_live_allocations();
  {
    LyingScene scene(Input(data, size));
    scene.play();
  }
  require(host_live_allocations() == before, "memory is left");
  return 0;
}
