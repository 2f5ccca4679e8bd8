// SPDX-License-Identifier: GPL-2.0-only
//
// The vocabulary of the sample driver: integers, text views, big-endian fields, an intrusive list,
// a lock guard, and object creation that can fail. Freestanding; the driver uses no header of the
// target module besides the public API, so it brings these few lines itself.
#pragma once

#include "linux/iface_os.h"

namespace iface {

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;

// Linux error numbers, as negative return values of the API.
constexpr int kEperm = -1;
constexpr int kEnomem = -12;
constexpr int kEinval = -22;

template <typename T>
constexpr T min(T a, T b) {
  return a < b ? a : b;
}

// Characters with a length, not owned. Made from NUL-terminated strings.
class Text {
 public:
  constexpr Text() = default;
  constexpr Text(const char* data, u32 size) : data_(data), size_(size) {}
  constexpr Text(const char* terminated)
      : data_(terminated), size_(static_cast<u32>(__builtin_strlen(terminated))) {}

  constexpr const char* data() const { return data_; }
  constexpr u32 size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr char operator[](u32 i) const { return data_[i]; }

  constexpr Text first(u32 count) const { return {data_, min(count, size_)}; }
  constexpr Text skip(u32 count) const {
    return {data_ + min(count, size_), size_ - min(count, size_)};
  }
  constexpr bool starts_with(Text prefix) const {
    return size_ >= prefix.size_ && first(prefix.size_) == prefix;
  }
  // Index of the first `wanted`, or size() if there is none.
  constexpr u32 find(char wanted) const {
    u32 i = 0;
    while (i < size_ && data_[i] != wanted)
      ++i;
    return i;
  }
  // Takes off the front everything up to `separator`, and the separator.
  constexpr Text split(char separator) {
    const u32 end = find(separator);
    const Text head = first(end);
    *this = skip(end + 1);
    return head;
  }
  friend constexpr bool operator==(Text a, Text b) {
    if (a.size_ != b.size_) return false;
    for (u32 i = 0; i < a.size_; ++i) {
      if (a.data_[i] != b.data_[i]) return false;
    }
    return true;
  }

 private:
  const char* data_ = "";
  u32 size_ = 0;
};

// Big-endian fields of CDBs and parameter data.
constexpr u16 get_be16(const u8* p) { return static_cast<u16>(p[0] << 8 | p[1]); }
constexpr u32 get_be32(const u8* p) {
  return static_cast<u32>(get_be16(p)) << 16 | get_be16(p + 2);
}
constexpr u64 get_be64(const u8* p) {
  return static_cast<u64>(get_be32(p)) << 32 | get_be32(p + 4);
}
constexpr void put_be16(u8* p, u32 value) {
  p[0] = static_cast<u8>(value >> 8);
  p[1] = static_cast<u8>(value);
}
constexpr void put_be32(u8* p, u32 value) {
  put_be16(p, value >> 16);
  put_be16(p + 2, value);
}
constexpr void put_be64(u8* p, u64 value) {
  put_be32(p, static_cast<u32>(value >> 32));
  put_be32(p + 4, static_cast<u32>(value));
}

// An intrusive, doubly linked, circular list. A link knows whether it is in a list, so removing an
// element twice is harmless. The lock is the owner's business.
struct Link {
  Link* next = nullptr;
  Link* previous = nullptr;
  void* element = nullptr;  // what the link is part of

  bool linked() const { return next != nullptr; }
  void unlink() {
    if (!linked()) return;
    previous->next = next;
    next->previous = previous;
    next = previous = nullptr;
  }
};

template <typename T, Link T::*Member>
class List {
 public:
  List() { head_.next = head_.previous = &head_; }
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  bool empty() const { return head_.next == &head_; }
  T* front() { return empty() ? nullptr : element(head_.next); }
  T* after(T& item) {
    Link* next = (item.*Member).next;
    return next == &head_ ? nullptr : element(next);
  }
  void push_back(T& item) { insert(item, head_.previous); }
  void push_front(T& item) { insert(item, &head_); }
  T* pop_front() {
    T* item = front();
    if (item != nullptr) (item->*Member).unlink();
    return item;
  }

 private:
  // SAFETY: only insert() links anything into the list, and it stores a T.
  static T* element(Link* link) { return static_cast<T*>(link->element); }
  void insert(T& item, Link* before) {
    Link& link = item.*Member;
    link.element = &item;
    link.previous = before;
    link.next = before->next;
    before->next->previous = &link;
    before->next = &link;
  }

  Link head_;
};

// Holds a lock for a scope.
class Guard {
 public:
  explicit Guard(iface_os_spinlock* lock) : lock_(lock) { iface_os_lock(lock_); }
  ~Guard() { iface_os_unlock(lock_); }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  iface_os_spinlock* lock_;
};

struct InPlace {};

}  // namespace iface

inline void* operator new(__SIZE_TYPE__, void* where, iface::InPlace) noexcept { return where; }

namespace iface {

// A new T in zeroed memory, or nullptr. May sleep.
template <typename T>
T* make() {
  void* memory = iface_os_alloc(sizeof(T));
  return memory != nullptr ? new (memory, InPlace{}) T : nullptr;
}

// Ends the life of what make() gave; nullptr is fine.
template <typename T>
void destroy(T* object) {
  if (object == nullptr) return;
  object->~T();
  iface_os_free(object);
}

}  // namespace iface
