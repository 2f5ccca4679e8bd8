// SPDX-License-Identifier: GPL-2.0-only
//
// The arithmetic of top: rates, means and percentiles from differences of counters.
#include "rates.hh"

#include <gtest/gtest.h>

#include "commands_fixture.hh"

namespace iscsictl {
namespace {

Record record_of(const string& latency, const string& total = "0") {
  return {{{"session", "1"},
           {"reads", "10"},
           {"writes", "20"},
           {"read_bytes", "40960"},
           {"write_bytes", "81920"},
           {"latency_total_us", total},
           {"latency_us", latency}}};
}

Counters counters(uint64_t reads, uint64_t total_us, std::map<uint64_t, uint64_t> latency) {
  Counters result;
  result.reads = reads;
  result.read_bytes = reads * 4096;
  result.latency_total_us = total_us;
  result.latency = std::move(latency);
  return result;
}

TEST(Counters, AreReadFromARecord) {
  const Counters read = Counters::of(record_of("8:3,1024:17,more:10", "123456"));
  EXPECT_EQ(read.reads, 10u);
  EXPECT_EQ(read.writes, 20u);
  EXPECT_EQ(read.read_bytes, 40960u);
  EXPECT_EQ(read.write_bytes, 81920u);
  EXPECT_EQ(read.latency_total_us, 123456u);
  EXPECT_EQ(read.latency,
            (std::map<uint64_t, uint64_t>{{8, 3}, {1024, 17}, {Counters::kMore, 10}}));
  EXPECT_TRUE(Counters::of(record_of("")).latency.empty());
  EXPECT_TRUE(Counters::of(record_of("nonsense")).latency.empty());
  EXPECT_EQ(Counters::of({}).reads, 0u);
}

TEST(Limit, IsThatOfTheBucketThatTheShareEndsIn) {
  using Map = std::map<uint64_t, uint64_t>;
  EXPECT_FALSE(limit_of({}, 99));
  EXPECT_FALSE(limit_of(Map{{8, 0}}, 99));
  EXPECT_EQ(limit_of(Map{{8, 1}}, 99), 8u);
  EXPECT_EQ(limit_of(Map{{8, 99}, {16, 1}}, 99), 8u);
  EXPECT_EQ(limit_of(Map{{8, 98}, {16, 2}}, 99), 16u);
  EXPECT_EQ(limit_of(Map{{8, 98}, {16, 1}, {32, 1}}, 99), 16u);
  EXPECT_EQ(limit_of(Map{{8, 100}, {16, 1}}, 99), 8u);
  EXPECT_EQ(limit_of(Map{{8, 50}, {16, 50}}, 50), 8u);
  EXPECT_EQ(limit_of(Map{{8, 50}, {16, 51}}, 50), 16u);
  EXPECT_EQ(limit_of(Map{{8, 1}, {Counters::kMore, 1}}, 99), Counters::kMore);
  // Sums that have no room for a factor of 100.
  EXPECT_EQ(limit_of(Map{{8, ~uint64_t{0} / 2}, {16, 1}}, 99), 8u);
}

TEST(Rates, AreDifferencesPerSecond) {
  const Rates rates = rates_between(counters(100, 1000, {{16, 100}}),
                                    counters(300, 9000, {{16, 150}, {64, 150}}), 2);
  EXPECT_DOUBLE_EQ(rates.reads, 100);
  EXPECT_DOUBLE_EQ(rates.read_bytes, 409600);
  EXPECT_DOUBLE_EQ(rates.writes, 0);
  EXPECT_DOUBLE_EQ(*rates.mean_us, 40);  // 8000 us, 200 commands.
  EXPECT_EQ(rates.most_us, 64u);
}

// What was slow before the interval is not in it.
TEST(Rates, LatencyIsThatOfTheIntervalAlone) {
  const Counters before = counters(10, 50'000'000, {{Counters::kMore, 10}});
  const Rates rates =
      rates_between(before, counters(20, 50'000'030, {{4, 10}, {Counters::kMore, 10}}), 1);
  EXPECT_DOUBLE_EQ(*rates.mean_us, 3);
  EXPECT_EQ(rates.most_us, 4u);
}

TEST(Rates, NothingEndedMeansNoLatency) {
  const Counters same = counters(10, 100, {{16, 10}});
  const Rates rates = rates_between(same, same, 1);
  EXPECT_DOUBLE_EQ(rates.reads, 0);
  EXPECT_FALSE(rates.mean_us);
  EXPECT_FALSE(rates.most_us);
}

// A target that was stopped and started again under its name.
TEST(Rates, CountersThatWentBackBeginAnew) {
  const Counters fresh = counters(10, 100, {{16, 10}});
  for (const Counters& before : {counters(11, 50, {{16, 5}}), counters(5, 101, {{16, 5}}),
                                 counters(5, 50, {{16, 11}}), counters(5, 50, {{8, 1}, {16, 5}})}) {
    const Rates rates = rates_between(before, fresh, 1);
    EXPECT_DOUBLE_EQ(rates.reads, 10);
    EXPECT_DOUBLE_EQ(*rates.mean_us, 10);
    EXPECT_EQ(rates.most_us, 16u);
  }
}

TEST(Rates, AnIntervalOfNothingDividesByNothing) {
  EXPECT_DOUBLE_EQ(rates_between({}, counters(10, 100, {{16, 10}}), 0).reads, 0);
}

TEST_F(Commands, TopShowsTargetsAndSessions) {
  door_.statistics = {{{{"target", kDisk0}}},
                      {{{"lun", "0"}, {"reads", "9"}}},
                      {{{"session", "3"}, {"initiator", "iqn.x:host"}}},
                      {{{"portal", "10.9.8.7:3260"}}}};
  // Between the two looks the session reads ten times, and another one comes.
  door_.later_statistics = door_.statistics;
  door_.later_statistics[0] = record_of("16:29,more:1", "300");
  door_.later_statistics[0].fields[0] = {"target", kDisk0};
  door_.later_statistics[2] = record_of("16:30", "150");
  door_.later_statistics[2].fields[0] = {"session", "3"};
  EXPECT_EQ(run({"top", "--count", "1", "--interval", "1"}), kDone);
  EXPECT_TRUE(has(out_, "mean us   99% < us")) << out_;
  EXPECT_TRUE(has(out_, "        10      more  iqn.2026-11.org.example:disk0  \n")) << out_;
  EXPECT_TRUE(has(out_, "         5        16  iqn.2026-11.org.example:disk0  ")) << out_;
  EXPECT_FALSE(has(out_, "10.9.8.7"));
  EXPECT_EQ(std::count(out_.begin(), out_.end(), '\n'), 4);
}

TEST_F(Commands, TopAsJson) {
  door_.statistics = {{{{"target", kDisk0}}}};
  door_.later_statistics = {record_of("16:29,more:1", "300"),
                            {{{"session", "3"}, {"initiator", "iqn.x:host"}}}};
  door_.later_statistics[0].fields[0] = {"target", kDisk0};
  EXPECT_EQ(run({"top", "--count", "1", "--interval", "1", "--json"}), kDone);
  EXPECT_TRUE(has(out_,
                  "\"latency_mean_us\": 10.0,\n"
                  "      \"latency_99_percent_below_us\": \"more\"\n"))
      << out_;
  EXPECT_TRUE(has(out_, "\"session\": \"3\",\n      \"initiator\": \"iqn.x:host\"")) << out_;
  EXPECT_TRUE(has(out_, "\"latency_mean_us\": null")) << out_;
}

}  // namespace
}  // namespace iscsictl
