// SPDX-License-Identifier: GPL-2.0-only
//
// Status and Result<T>: trouble of the host (memory, sockets, configuration).
//
// What a peer did wrong is a PduVerdict and the answer to a command is a ScsiResult; neither
// converts to these types. Both classes here are [[nodiscard]]; use TRY to pass an error on to
// the caller. An error is one of the kernel's errno numbers, so that a Status can leave through
// the C API as `-status.code()` without a translation table.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

namespace chiscsi {

// The errno numbers the project uses; the values are those of Linux on every architecture that
// shares asm-generic/errno*.h.
enum class Error : int {
  kNone = 0,
  kNotPermitted = 1,
  kNoEntry = 2,
  kIo = 5,
  kTooBig = 7,
  kAgain = 11,
  kNoMemory = 12,
  kAccess = 13,
  kBusy = 16,
  kExists = 17,
  kNoDevice = 19,
  kInvalid = 22,
  kNoSpace = 28,
  kPipe = 32,
  kRange = 34,
  kNameTooLong = 36,
  kNotSupported = 95,
  kAddressInUse = 98,
  kConnectionReset = 104,
  kShutdown = 108,
  kTimedOut = 110,
  kInProgress = 115,
  kStale = 116,
  kCancelled = 125,
};

// The outcome of an operation that yields nothing but success or an error.
class [[nodiscard]] Status {
 public:
  constexpr Status() = default;
  constexpr Status(Error error) : error_(error) {}

  // Takes the 0-or-negative-errno convention of the C side.
  static constexpr Status from_errno(int rc) {
    return rc < 0 ? Status(static_cast<Error>(-rc)) : Status();
  }

  constexpr bool is_ok() const { return error_ == Error::kNone; }
  constexpr Error error() const { return error_; }
  // 0 on success, the negative errno otherwise: what C callers expect.
  constexpr int to_errno() const { return -static_cast<int>(error_); }

 private:
  Error error_ = Error::kNone;
};

// A value of T or an Error. T must be movable.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(Error error) : error_(error) {}
  Result(T value) : error_(Error::kNone) {
    ::new (static_cast<void*>(&storage_)) T(std::move(value));
  }
  Result(Result&& other) noexcept : error_(other.error_) {
    if (is_ok()) ::new (static_cast<void*>(&storage_)) T(std::move(other.storage_.value));
  }
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
  Result& operator=(Result&&) = delete;
  ~Result() {
    if (is_ok()) storage_.value.~T();
  }

  bool is_ok() const { return error_ == Error::kNone; }
  Error error() const { return error_; }
  Status status() const { return Status(error_); }
  // Precondition of the accessors below: is_ok().
  T& value() { return storage_.value; }
  const T& value() const { return storage_.value; }
  T take() { return std::move(storage_.value); }

 private:
  union Storage {
    Storage() {}
    ~Storage() {}
    T value;
  } storage_;
  Error error_;
};

}  // namespace chiscsi

// Evaluates `expression` (a Status or a Result), returns its error from the enclosing function, and
// otherwise yields the value.
#define CHISCSI_TRY(expression)                                         \
  ({                                                                    \
    auto chiscsi_try_result = (expression);                             \
    if (!chiscsi_try_result.is_ok()) return chiscsi_try_result.error(); \
    ::chiscsi::detail::release(chiscsi_try_result);                     \
  })

namespace chiscsi::detail {
inline void release(Status&) {}
template <typename T>
T release(Result<T>& result) {
  return result.take();
}
}  // namespace chiscsi::detail
