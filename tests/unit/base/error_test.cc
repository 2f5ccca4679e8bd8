// SPDX-License-Identifier: GPL-2.0-only
//
// Status, Result and CHISCSI_TRY: errors travel, values move, nothing is destroyed twice.
#include "base/error.hh"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

namespace chiscsi {
namespace {

using Token = std::unique_ptr<int>;

TEST(Status, IsOkByDefault) {
  constexpr Status status;
  static_assert(status.is_ok());
  EXPECT_EQ(status.to_errno(), 0);
}

TEST(Status, ConvertsFromAndToErrno) {
  EXPECT_EQ(Status(Error::kNoMemory).to_errno(), -ENOMEM);
  EXPECT_TRUE(Status::from_errno(0).is_ok());
  EXPECT_TRUE(Status::from_errno(7).is_ok());
  EXPECT_EQ(Status::from_errno(-EBUSY).error(), Error::kBusy);
}

TEST(Error, HasTheNumbersOfErrno) {
  const struct {
    Error error;
    int number;
  } pairs[] = {
      {Error::kNotPermitted, EPERM},
      {Error::kNoEntry, ENOENT},
      {Error::kIo, EIO},
      {Error::kAgain, EAGAIN},
      {Error::kNoMemory, ENOMEM},
      {Error::kAccess, EACCES},
      {Error::kBusy, EBUSY},
      {Error::kExists, EEXIST},
      {Error::kNoDevice, ENODEV},
      {Error::kInvalid, EINVAL},
      {Error::kNoSpace, ENOSPC},
      {Error::kPipe, EPIPE},
      {Error::kRange, ERANGE},
      {Error::kNameTooLong, ENAMETOOLONG},
      {Error::kNotSupported, EOPNOTSUPP},
      {Error::kAddressInUse, EADDRINUSE},
      {Error::kConnectionReset, ECONNRESET},
      {Error::kShutdown, ESHUTDOWN},
      {Error::kTimedOut, ETIMEDOUT},
      {Error::kInProgress, EINPROGRESS},
      {Error::kStale, ESTALE},
      {Error::kCancelled, ECANCELED},
  };
  for (const auto& pair : pairs)
    EXPECT_EQ(static_cast<int>(pair.error), pair.number);
}

TEST(Result, HoldsAValue) {
  Result<int> result(42);
  ASSERT_TRUE(result.is_ok());
  EXPECT_EQ(result.value(), 42);
  EXPECT_TRUE(result.status().is_ok());
  result.value() = 1;
  EXPECT_EQ(result.take(), 1);
}

TEST(Result, HoldsAnError) {
  const Result<int> result(Error::kStale);
  EXPECT_FALSE(result.is_ok());
  EXPECT_EQ(result.error(), Error::kStale);
  EXPECT_EQ(result.status().to_errno(), -ESTALE);
}

TEST(Result, MovesItsValue) {
  Result<Token> first(std::make_unique<int>(5));
  Result<Token> second(std::move(first));
  ASSERT_TRUE(second.is_ok());
  Token token = second.take();
  EXPECT_EQ(*token, 5);
  EXPECT_EQ(second.value(), nullptr);
}

struct Counted {
  explicit Counted(int* alive) : alive(alive) { ++*alive; }
  Counted(Counted&& other) noexcept : alive(other.alive) { ++*alive; }
  ~Counted() { --*alive; }
  int* alive;
};

TEST(Result, DestroysItsValueOnce) {
  int alive = 0;
  {
    Result<Counted> result{Counted(&alive)};
    EXPECT_EQ(alive, 1);
    Result<Counted> moved(std::move(result));
    EXPECT_EQ(alive, 2);
    const Counted taken = moved.take();
    EXPECT_EQ(alive, 3);
    const Result<Counted> none(Error::kIo);
  }
  EXPECT_EQ(alive, 0);
}

Status fails(Error error) { return error; }
Result<int> number(int value) {
  if (value < 0) return Error::kRange;
  return value;
}
Result<Token> token(int value) {
  const int checked = CHISCSI_TRY(number(value));
  return std::make_unique<int>(checked);
}
Status steps(Error first, int second, int* reached) {
  *reached = 0;
  CHISCSI_TRY(fails(first));
  *reached = 1;
  const Token result = CHISCSI_TRY(token(second));
  *reached = *result;
  return {};
}

TEST(Try, PassesAStatusOn) {
  int reached = -1;
  EXPECT_EQ(steps(Error::kBusy, 9, &reached).error(), Error::kBusy);
  EXPECT_EQ(reached, 0);
}

TEST(Try, PassesAnErrorThroughResultsOfOtherTypes) {
  int reached = -1;
  EXPECT_EQ(steps(Error::kNone, -1, &reached).error(), Error::kRange);
  EXPECT_EQ(reached, 1);
}

TEST(Try, YieldsAMoveOnlyValue) {
  int reached = -1;
  EXPECT_TRUE(steps(Error::kNone, 9, &reached).is_ok());
  EXPECT_EQ(reached, 9);
}

}  // namespace
}  // namespace chiscsi
