// SPDX-License-Identifier: GPL-2.0-only
//
// List<T, &T::node>: an intrusive doubly linked list.
//
// The list never allocates and never owns its elements. A ListNode knows whether it is linked, so
// an element can be removed without knowing its list and a second removal is harmless. There is no
// lock inside: the owner of the list says who may touch it.
#pragma once

#include <cstddef>

#include "base/assert.hh"

namespace chiscsi {

class ListNode {
 public:
  constexpr ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;

  bool is_linked() const { return next_ != nullptr; }
  void unlink() {
    if (!is_linked()) return;
    previous_->next_ = next_;
    next_->previous_ = previous_;
    next_ = previous_ = nullptr;
  }

 private:
  template <typename T, ListNode T::*Member>
  friend class List;
  ListNode* next_ = nullptr;
  ListNode* previous_ = nullptr;
};

template <typename T, ListNode T::*Member>
class List {
 public:
  List() { head_.next_ = head_.previous_ = &head_; }
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  bool empty() const { return head_.next_ == &head_; }
  T* front() { return empty() ? nullptr : owner(head_.next_); }
  T* back() { return empty() ? nullptr : owner(head_.previous_); }

  void push_back(T& element) { insert(&(element.*Member), head_.previous_, &head_); }
  void push_front(T& element) { insert(&(element.*Member), &head_, head_.next_); }
  // Precondition: `position` is linked in this list.
  void insert_before(T& position, T& element) {
    ListNode* node = &(position.*Member);
    insert(&(element.*Member), node->previous_, node);
  }
  T* pop_front() {
    T* element = front();
    if (element != nullptr) (element->*Member).unlink();
    return element;
  }
  void remove(T& element) { (element.*Member).unlink(); }

  // The element after `element`, or nullptr at the end.
  T* next(T& element) {
    ListNode* node = (element.*Member).next_;
    return node == &head_ ? nullptr : owner(node);
  }

  // Visits each element; `visit` may unlink (or free) the element it is given, no other.
  template <typename Visit>
  void for_each(Visit visit) {
    for (ListNode* node = head_.next_; node != &head_;) {
      ListNode* following = node->next_;
      visit(*owner(node));
      node = following;
    }
  }

  // The first element for which `matches` holds, or nullptr.
  template <typename Matches>
  T* find(Matches matches) {
    for (ListNode* node = head_.next_; node != &head_; node = node->next_) {
      if (matches(*owner(node))) return owner(node);
    }
    return nullptr;
  }

  // Moves all elements of `other` to the end of this list, in order.
  void splice_back(List& other) {
    while (T* element = other.pop_front())
      push_back(*element);
  }

 private:
  static void insert(ListNode* node, ListNode* previous, ListNode* next) {
    CHISCSI_CHECK(!node->is_linked());
    node->previous_ = previous;
    node->next_ = next;
    previous->next_ = node;
    next->previous_ = node;
  }
  static T* owner(ListNode* node) {
    // SAFETY: every node in this list is the member `Member` of a T, so the distance is fixed.
    const auto offset = reinterpret_cast<size_t>(&(reinterpret_cast<T*>(kProbe)->*Member)) - kProbe;
    return reinterpret_cast<T*>(reinterpret_cast<char*>(node) - offset);
  }
  static constexpr size_t kProbe = 4096;

  ListNode head_;
};

}  // namespace chiscsi
