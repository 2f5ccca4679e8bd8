// SPDX-License-Identifier: GPL-2.0-only
//
// CommandWindow: the window's edges, duplicates, requests out of order, numbers that wrap, and a
// random walk beside a model with unbounded numbers (RFC 7143 section 4.2.2.1).
#include "target/session/command_window.hh"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <set>
#include <vector>

namespace chiscsi::test {
namespace {

using Verdict = CommandWindow::Verdict;

Sequenced& numbered(std::deque<Sequenced>& requests, uint32_t number) {
  Sequenced& request = requests.emplace_back();
  request.cmd_sn = Serial(number);
  return request;
}

class CommandWindowAt : public testing::TestWithParam<uint32_t> {
 protected:
  Serial at(uint32_t distance) const { return Serial(GetParam() + distance); }
  // Takes a request as the receive path does; true when it is this request's turn.
  Verdict take(uint32_t distance) {
    const Verdict verdict = window_.accept(at(distance));
    if (verdict == Verdict::kHold) window_.hold(numbered(requests_, at(distance).value()));
    return verdict;
  }
  std::vector<uint32_t> taken() {
    std::vector<uint32_t> distances;
    while (Sequenced* request = window_.take_next())
      distances.push_back(request->cmd_sn.value() - GetParam());
    return distances;
  }
  void TearDown() override {
    while (window_.drop_any() != nullptr)
      continue;
  }

  std::deque<Sequenced> requests_;
  CommandWindow window_;
};

TEST_P(CommandWindowAt, StartsWithTheWholeWindow) {
  window_.start(at(0), 8);
  EXPECT_EQ(window_.exp_cmd_sn(), at(0));
  EXPECT_EQ(window_.max_cmd_sn(), at(7));
  EXPECT_EQ(window_.size(), 8u);
}

TEST_P(CommandWindowAt, ExecutesInOrder) {
  window_.start(at(0), 4);
  for (uint32_t i = 0; i < 20; ++i) {
    EXPECT_EQ(take(i), Verdict::kExecute) << i;
    EXPECT_EQ(window_.exp_cmd_sn(), at(i + 1));
    EXPECT_EQ(window_.max_cmd_sn(), at(i + 4));
  }
}

TEST_P(CommandWindowAt, PeeksWithoutEffect) {
  window_.start(at(0), 4);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(window_.peek(at(0)), Verdict::kExecute);
    EXPECT_EQ(window_.peek(at(3)), Verdict::kHold);
    EXPECT_EQ(window_.peek(at(4)), Verdict::kIgnore);
    EXPECT_EQ(window_.exp_cmd_sn(), at(0));
  }
}

TEST_P(CommandWindowAt, IgnoresWhatIsOutsideOfTheWindow) {
  window_.start(at(0), 4);
  EXPECT_EQ(take(4), Verdict::kIgnore);
  EXPECT_EQ(take(0xffffffff), Verdict::kIgnore);
  EXPECT_EQ(take(0x7fffffff), Verdict::kIgnore);
  EXPECT_EQ(take(0x80000000), Verdict::kIgnore);
  EXPECT_EQ(take(0x80000001), Verdict::kIgnore);
  EXPECT_EQ(take(3), Verdict::kHold);
}

TEST_P(CommandWindowAt, IgnoresDuplicates) {
  window_.start(at(0), 8);
  EXPECT_EQ(take(0), Verdict::kExecute);
  EXPECT_EQ(take(0), Verdict::kIgnore);
  EXPECT_EQ(take(3), Verdict::kHold);
  EXPECT_EQ(take(3), Verdict::kIgnore);
  EXPECT_EQ(take(1), Verdict::kExecute);
  EXPECT_EQ(take(3), Verdict::kIgnore);
  EXPECT_EQ(take(2), Verdict::kExecute);
  EXPECT_EQ(taken(), std::vector<uint32_t>{3});
  EXPECT_EQ(take(3), Verdict::kIgnore);
}

TEST_P(CommandWindowAt, ReleasesHeldRequestsInOrder) {
  window_.start(at(0), 16);
  for (const uint32_t number : {7u, 2u, 5u, 1u, 3u, 9u})
    EXPECT_EQ(take(number), Verdict::kHold);
  EXPECT_EQ(taken(), std::vector<uint32_t>());
  EXPECT_EQ(take(0), Verdict::kExecute);
  EXPECT_EQ(taken(), (std::vector<uint32_t>{1, 2, 3}));
  EXPECT_EQ(window_.exp_cmd_sn(), at(4));
  EXPECT_EQ(take(4), Verdict::kExecute);
  EXPECT_EQ(taken(), (std::vector<uint32_t>{5}));
  EXPECT_EQ(take(8), Verdict::kHold);
  EXPECT_EQ(take(6), Verdict::kExecute);
  EXPECT_EQ(taken(), (std::vector<uint32_t>{7, 8, 9}));
  EXPECT_EQ(window_.drop_any(), nullptr);
}

TEST_P(CommandWindowAt, ClosesAsCommandsStartAndOpensAsTheyEnd) {
  window_.start(at(0), 3);
  for (uint32_t i = 0; i < 3; ++i) {
    window_.command_started();
    EXPECT_EQ(take(i), Verdict::kExecute);
    EXPECT_EQ(window_.max_cmd_sn(), at(2)) << "MaxCmdSN moved with all places taken or promised";
  }
  EXPECT_EQ(take(3), Verdict::kIgnore);
  window_.command_ended();
  EXPECT_EQ(window_.max_cmd_sn(), at(3));
  EXPECT_EQ(take(4), Verdict::kIgnore);
  window_.command_started();
  EXPECT_EQ(take(3), Verdict::kExecute);
  for (int i = 0; i < 3; ++i)
    window_.command_ended();
  EXPECT_EQ(window_.max_cmd_sn(), at(6));
}

TEST_P(CommandWindowAt, NeverTakesMaxCmdSnBack) {
  window_.start(at(0), 8);
  EXPECT_EQ(window_.max_cmd_sn(), at(7));
  for (int i = 0; i < 20; ++i)
    window_.command_started();
  EXPECT_EQ(window_.max_cmd_sn(), at(7));
  EXPECT_EQ(take(7), Verdict::kHold);
}

TEST_P(CommandWindowAt, WorksWithASingleCommand) {
  window_.start(at(0), 1);
  EXPECT_EQ(window_.max_cmd_sn(), at(0));
  EXPECT_EQ(take(1), Verdict::kIgnore);
  for (uint32_t i = 0; i < 10; ++i) {
    window_.command_started();
    EXPECT_EQ(take(i), Verdict::kExecute);
    EXPECT_EQ(window_.max_cmd_sn(), at(i));
    EXPECT_EQ(take(i + 1), Verdict::kIgnore);
    window_.command_ended();
    EXPECT_EQ(window_.max_cmd_sn(), at(i + 1));
  }
}

TEST_P(CommandWindowAt, TakesASizeOfNothingAsOne) {
  window_.start(at(0), 0);
  EXPECT_EQ(window_.size(), 1u);
  EXPECT_EQ(window_.max_cmd_sn(), at(0));
}

TEST_P(CommandWindowAt, ToleratesAnEndWithoutAStart) {
  window_.start(at(0), 2);
  window_.command_ended();
  EXPECT_EQ(window_.max_cmd_sn(), at(1));
}

TEST_P(CommandWindowAt, KnowsWhatIsPast) {
  window_.start(at(0), 4);
  EXPECT_TRUE(window_.is_past(at(0xffffffff)));
  EXPECT_FALSE(window_.is_past(at(0)));
  take(0);
  EXPECT_TRUE(window_.is_past(at(0)));
  take(2);
  EXPECT_FALSE(window_.is_past(at(1)));
  EXPECT_FALSE(window_.is_past(at(2)));
}

TEST_P(CommandWindowAt, ForgetsARemovedRequest) {
  window_.start(at(0), 8);
  take(1);
  take(2);
  window_.remove(requests_.front());
  EXPECT_FALSE(requests_.front().window_node.is_linked());
  take(0);
  EXPECT_EQ(taken(), std::vector<uint32_t>());
  EXPECT_EQ(take(1), Verdict::kExecute);
  EXPECT_EQ(taken(), std::vector<uint32_t>{2});
}

TEST_P(CommandWindowAt, DropsAllThatIsHeld) {
  window_.start(at(0), 8);
  take(3);
  take(1);
  EXPECT_NE(window_.drop_any(), nullptr);
  EXPECT_NE(window_.drop_any(), nullptr);
  EXPECT_EQ(window_.drop_any(), nullptr);
}

// ---- Beside a model ----

// The rules in numbers that do not wrap: 2^40 is the number GetParam() stands for.
struct Model {
  static constexpr uint64_t kBase = uint64_t{1} << 40;
  explicit Model(uint32_t window) : size(window), max(kBase + window - 1) {}
  void update() { max = std::max(max, expected + (active < size ? size - active : 0) - 1); }
  Verdict take(uint64_t number) {
    update();
    if (number < expected || number > max || held.count(number) != 0) return Verdict::kIgnore;
    if (number != expected) {
      held.insert(number);
      return Verdict::kHold;
    }
    ++expected;
    return Verdict::kExecute;
  }
  uint32_t size;
  uint64_t expected = kBase;
  uint64_t max;
  uint32_t active = 0;
  std::set<uint64_t> held;
};

TEST_P(CommandWindowAt, AgreesWithAModel) {
  std::mt19937 random(GetParam());
  for (const uint32_t size : {1u, 2u, 3u, 17u, 128u}) {
    CommandWindow window;
    Model model(size);
    std::deque<Sequenced> requests;
    window.start(at(0), size);
    uint64_t last_max = model.max;
    for (int step = 0; step < 4000; ++step) {
      const uint32_t what = random() % 8;
      if (what == 0 && model.active != 0) {
        window.command_ended();
        --model.active;
      } else {
        const uint64_t number = model.expected - 3 + random() % (what < 4 ? 5 : size + 8);
        const Serial serial = at(static_cast<uint32_t>(number - Model::kBase));
        ASSERT_EQ(window.is_past(serial), number < model.expected);
        const Verdict expected = model.take(number);
        ASSERT_EQ(window.peek(serial), expected);
        ASSERT_EQ(window.accept(serial), expected);
        if (expected == Verdict::kHold) window.hold(numbered(requests, serial.value()));
        if (expected != Verdict::kIgnore && random() % 2 == 0) {
          window.command_started();
          ++model.active;
        }
        while (Sequenced* next = window.take_next()) {
          ASSERT_EQ(next->cmd_sn, at(static_cast<uint32_t>(model.expected - Model::kBase)));
          ASSERT_EQ(model.held.erase(model.expected), 1u);
          ++model.expected;
        }
        ASSERT_EQ(model.held.count(model.expected), 0u);
      }
      model.update();
      const Serial max = window.max_cmd_sn();
      ASSERT_EQ(max, at(static_cast<uint32_t>(model.max - Model::kBase)));
      ASSERT_EQ(window.exp_cmd_sn(), at(static_cast<uint32_t>(model.expected - Model::kBase)));
      ASSERT_GE(model.max, last_max);
      ASSERT_LE(model.max - model.expected + 1, size);
      last_max = model.max;
    }
    while (window.drop_any() != nullptr)
      continue;
  }
}

TEST_P(CommandWindowAt, ShowsItsNumbersToStatusReaders) {
  window_.start(at(0), 8);
  const auto expect = [&](Serial newest, Serial expected, Serial last) {
    const CommandWindow::Numbers numbers = window_.numbers();
    EXPECT_EQ(Serial(numbers.newest), newest);
    EXPECT_EQ(Serial(numbers.expected), expected);
    EXPECT_EQ(Serial(numbers.last), last);
  };
  expect(at(0) - 1, at(0), at(7));
  // One in order, one ahead of its turn, one that is ignored.
  EXPECT_EQ(window_.accept(at(0)), Verdict::kExecute);
  window_.command_started();
  expect(at(0), at(1), at(7));
  EXPECT_EQ(window_.accept(at(4)), Verdict::kHold);
  window_.hold(numbered(requests_, at(4).value()));
  EXPECT_EQ(window_.accept(at(100)), Verdict::kIgnore);
  expect(at(4), at(1), at(7));
  EXPECT_EQ(window_.accept(at(1)), Verdict::kExecute);
  // The end is what was computed last: what the initiator was told.
  expect(at(4), at(2), at(7));
  window_.command_ended();
  EXPECT_EQ(window_.max_cmd_sn(), at(9));
  expect(at(4), at(2), at(9));
}

INSTANTIATE_TEST_SUITE_P(First, CommandWindowAt,
                         testing::Values(0u, 1u, 0x7ffffffeu, 0x80000000u, 0xfffffffdu,
                                         0xffffffffu));

}  // namespace
}  // namespace chiscsi::test
