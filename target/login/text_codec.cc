// SPDX-License-Identifier: GPL-2.0-only
//
// See text_codec.hh.
#include "target/login/text_codec.hh"

#include "base/hash.hh"
#include "target/config/number.hh"

namespace chiscsi {

namespace text_codec_detail {

constexpr size_t kFirstCapacity = 1024;

bool is_label_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '+' || c == '@' || c == '_' || c == '#';
}

// A standard-label, but for two liberties that existing keys need: "iSCSIProtocolLevel" starts with
// a small letter, and "X#NodeArchitecture" has a '#'.
bool is_label(Text key) {
  if (key.empty() || key.size() > iscsi::kMaxKeyLength) return false;
  const char first = key[0];
  if (!(first >= 'A' && first <= 'Z') && !(first >= 'a' && first <= 'z')) return false;
  for (const char c : key) {
    if (!is_label_character(c)) return false;
  }
  return true;
}

enum class BinaryForm : uint8_t { kNone, kHex, kBase64 };

BinaryForm form_of(Text text) {
  if (text.size() < 3 || text[0] != '0') return BinaryForm::kNone;
  if (text[1] == 'x' || text[1] == 'X') return BinaryForm::kHex;
  if (text[1] == 'b' || text[1] == 'B') return BinaryForm::kBase64;
  return BinaryForm::kNone;
}

size_t padding_of(Text digits) {
  if (digits.size() < 2 || digits[digits.size() - 1] != '=') return 0;
  return digits[digits.size() - 2] == '=' ? 2 : 1;
}

int base64_digit_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

bool is_hex(Text digits) {
  for (const char c : digits) {
    if (hex_digit_value(c) < 0) return false;
  }
  return true;
}

// Precondition: the size of `digits` is a multiple of four. Alphabet, padding and spare bits.
bool is_base64(Text digits) {
  const size_t padding = padding_of(digits);
  const Text symbols = digits.first(digits.size() - padding);
  for (const char c : symbols) {
    if (base64_digit_value(c) < 0) return false;
  }
  const int last = base64_digit_value(symbols[symbols.size() - 1]);
  const int spare_bits = padding == 2 ? 15 : padding == 1 ? 3 : 0;
  return (last & spare_bits) == 0;
}

// Precondition: is_hex(digits), and `out` has the decoded size.
void decode_hex(Text digits, MutableBytes out) {
  const size_t odd = digits.size() & 1;
  for (size_t i = 0; i < digits.size(); ++i) {
    uint8_t& byte = out[(i + odd) / 2];
    byte = static_cast<uint8_t>((byte << 4) | hex_digit_value(digits[i]));
  }
}

// Precondition: is_base64(digits), and `out` has the decoded size.
void decode_base64(Text digits, MutableBytes out) {
  uint32_t bits = 0;
  unsigned count = 0;
  size_t at = 0;
  for (const char c : digits.first(digits.size() - padding_of(digits))) {
    bits = (bits << 6) | static_cast<uint32_t>(base64_digit_value(c));
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out[at++] = static_cast<uint8_t>(bits >> count);
  }
}

}  // namespace text_codec_detail

// --- Buffers and writing ---

Status TextBuffer::append(Bytes bytes) {
  if (bytes.size() > limit_ || size_ > limit_ - bytes.size()) return Error::kNoSpace;
  const size_t needed = size_ + bytes.size();
  if (needed > buffer_.size()) {
    size_t capacity = buffer_ ? buffer_.size() : text_codec_detail::kFirstCapacity;
    while (capacity < needed)
      capacity *= 2;
    Buffer larger = Buffer::allocate(capacity < limit_ ? capacity : limit_);
    if (!larger) return Error::kNoMemory;
    copy_bytes(larger.bytes(), this->bytes());
    buffer_ = std::move(larger);
  }
  copy_bytes(buffer_.bytes().skip(size_), bytes);
  size_ = needed;
  return {};
}

void TextWriter::append(Bytes bytes) {
  if (status_.is_ok()) status_ = buffer_.append(bytes);
}

void TextWriter::begin(Text key) {
  pair_start_ = buffer_.size();
  append(key.bytes());
  append(Text("=").bytes());
}

void TextWriter::add(Text part) { append(part.bytes()); }

void TextWriter::end() {
  append(Text("\0", 1).bytes());
  if (!status_.is_ok()) buffer_.truncate(pair_start_);
}

void TextWriter::pair(Text key, Text value) {
  begin(key);
  add(value);
  end();
}

void TextWriter::number(Text key, uint64_t value) { pair(key, DecimalText(value).text()); }

void TextWriter::hex(Text key, Bytes value) {
  constexpr char kDigits[] = "0123456789abcdef";
  begin(key);
  add("0x");
  for (const uint8_t byte : value) {
    const char digits[2] = {kDigits[byte >> 4], kDigits[byte & 15]};
    add({digits, 2});
  }
  end();
}

size_t text_part_size(Bytes text, size_t limit) {
  if (text.size() <= limit) return text.size();
  for (size_t size = limit; size > 0; --size) {
    if (text[size - 1] == 0) return size;
  }
  return limit;
}

// --- Reading ---

KeyValueReader::KeyValueReader(Bytes text)
    : rest_(reinterpret_cast<const char*>(text.data()), text.size()) {}

KeyValueReader::Next KeyValueReader::malformed(const char* problem) {
  problem_ = problem;
  return Next::kMalformed;
}

KeyValueReader::Next KeyValueReader::next(KeyValue* pair) {
  while (!rest_.empty() && rest_[0] == '\0')
    rest_ = rest_.skip(1);
  if (rest_.empty()) return Next::kEnd;
  const size_t end = rest_.find('\0');
  if (end == Text::kNotFound) return malformed("text does not end in a NUL byte");
  const Text text = rest_.first(end);
  rest_ = rest_.skip(end + 1);
  const size_t equals = text.find('=');
  if (equals == Text::kNotFound) return malformed("text without '='");
  const Text key = text.first(equals);
  if (!text_codec_detail::is_label(key)) return malformed("malformed key");
  *pair = {key, text.skip(equals + 1)};
  return Next::kPair;
}

size_t decoded_size(Text text) {
  namespace detail = text_codec_detail;
  const Text digits = text.skip(2);
  switch (detail::form_of(text)) {
    case detail::BinaryForm::kHex:
      return (digits.size() + 1) / 2;
    case detail::BinaryForm::kBase64:
      return digits.size() % 4 == 0 ? digits.size() / 4 * 3 - detail::padding_of(digits) : 0;
    default:
      return 0;
  }
}

bool decode_binary(Text text, MutableBytes room, size_t* size) {
  namespace detail = text_codec_detail;
  const size_t needed = decoded_size(text);
  if (needed == 0 || needed > room.size()) return false;
  const Text digits = text.skip(2);
  const bool hex = detail::form_of(text) == detail::BinaryForm::kHex;
  if (!(hex ? detail::is_hex(digits) : detail::is_base64(digits))) return false;
  __builtin_memset(room.data(), 0, needed);
  hex ? detail::decode_hex(digits, room.first(needed))
      : detail::decode_base64(digits, room.first(needed));
  *size = needed;
  return true;
}

bool decode_binary_exactly(Text text, MutableBytes exact) {
  size_t size = 0;
  return decoded_size(text) == exact.size() && decode_binary(text, exact, &size);
}

bool is_answer_word(Text value) {
  return value == Text("Reject") || value == Text("Irrelevant") || value == Text("NotUnderstood");
}

// --- Keys of a text, and of a whole negotiation ---

uint32_t OfferedKeys::count() const {
  uint32_t count = 0;
  for (const bool present : present_)
    count += present ? 1 : 0;
  return count;
}

SeenKeys::Add SeenKeys::add(const KeyInfo& info) {
  bool& known = known_[static_cast<size_t>(info.key)];
  if (known) return Add::kAgain;
  if (known_count_ + unknown_count_ >= limit_) return Add::kTooMany;
  known = true;
  ++known_count_;
  return Add::kFirst;
}

SeenKeys::Add SeenKeys::add_unknown(Text name) {
  const uint64_t hash = fnv1a(name.bytes());
  for (uint32_t i = 0; i < unknown_count_; ++i) {
    if (unknown_[i] == hash) return Add::kAgain;
  }
  if (known_count_ + unknown_count_ >= limit_) return Add::kTooMany;
  unknown_[unknown_count_++] = hash;
  return Add::kFirst;
}

void SeenKeys::clear() {
  unknown_count_ = known_count_ = 0;
  for (bool& known : known_)
    known = false;
}

const char* collect_keys(Bytes text, SeenKeys& seen, OfferedKeys& offered, TextWriter& answer) {
  KeyValueReader reader(text);
  KeyValue pair;
  for (;;) {
    const KeyValueReader::Next next = reader.next(&pair);
    if (next == KeyValueReader::Next::kEnd) return nullptr;
    if (next == KeyValueReader::Next::kMalformed) return reader.problem();
    const KeyInfo* info = find_key(pair.key);
    const SeenKeys::Add added = info != nullptr ? seen.add(*info) : seen.add_unknown(pair.key);
    if (added == SeenKeys::Add::kAgain) return "key sent twice";
    if (added == SeenKeys::Add::kTooMany) return "too many keys";
    if (info == nullptr) {
      // An answer word is the end of something, not the start: it gets no answer.
      if (!is_answer_word(pair.value)) answer.pair(pair.key, "NotUnderstood");
    } else if (pair.value.size() > info->max_value_length) {
      return "value too long";
    } else {
      offered.set(info->key, pair.value);
    }
  }
}

}  // namespace chiscsi
