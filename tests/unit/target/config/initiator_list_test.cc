// SPDX-License-Identifier: GPL-2.0-only
//
// InitiatorList: what it takes and what it finds; and which source of access control decides.
#include "target/config/initiator_list.hh"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "host.hh"
#include "target/config/address.hh"

namespace chiscsi::test {
namespace {

const std::string kHost1 = "iqn.1994-05.org.example:host1";
const std::string kHost2 = "iqn.1994-05.org.example:host2";
const std::string kHost3 = "iqn.1994-05.org.example:host3";

using Names = std::vector<std::string>;

Bytes bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

Result<Ref<InitiatorList>> list_of(const Names& names, std::string* why = nullptr) {
  std::string text = std::string("target=iqn.x") + '\0';
  for (const std::string& name : names)
    text += "initiator=" + name + '\0';
  ConfigError error;
  auto list = InitiatorList::create(7, 3, bytes_of(text), &error);
  if (why != nullptr) *why = error.c_str();
  return list;
}

std::string name_number(unsigned number) {
  return "iqn.1994-05.org.example:" + std::to_string(10000 + number);
}

TEST(InitiatorList, FindsWhatItHasAndNothingElse) {
  for (const unsigned size : {0u, 1u, 2u, 3u, 7u, 8u, 100u}) {
    Names names;
    for (unsigned i = 0; i < size; ++i)
      names.push_back(name_number(2 * i + 1));
    auto list = list_of(names);
    ASSERT_TRUE(list.is_ok()) << size;
    EXPECT_EQ(list.value()->names().size(), size);
    EXPECT_EQ(list.value()->holder(), 7u);
    EXPECT_EQ(list.value()->version(), 3u);
    for (unsigned i = 0; i < 2 * size + 2; ++i)
      EXPECT_EQ(list.value()->has(name_number(i).c_str()), i % 2 == 1 && i < 2 * size) << i;
    EXPECT_FALSE(list.value()->has(Text()));
  }
}

TEST(InitiatorList, ANameIsNotTheStartOfAnother) {
  auto list = list_of({kHost1, kHost1 + "0", kHost1 + "00"});
  ASSERT_TRUE(list.is_ok());
  EXPECT_TRUE(list.value()->has((kHost1 + "0").c_str()));
  EXPECT_FALSE(list.value()->has((kHost1 + "000").c_str()));
  EXPECT_FALSE(list.value()->has(kHost1.substr(0, kHost1.size() - 1).c_str()));
}

TEST(InitiatorList, RefusesWhatIsNoListOfNames) {
  std::string why;
  EXPECT_EQ(list_of({kHost2, kHost1}, &why).error(), Error::kInvalid);
  EXPECT_NE(why.find("initiator: not behind the name before it"), std::string::npos) << why;
  EXPECT_EQ(list_of({kHost1, kHost1}, &why).error(), Error::kInvalid);
  EXPECT_EQ(list_of({kHost1 + "0", kHost1}, &why).error(), Error::kInvalid);
  for (const std::string& bad : {std::string("host"), std::string("iqn."), std::string(300, 'a')}) {
    EXPECT_EQ(list_of({bad}, &why).error(), Error::kInvalid) << bad;
    EXPECT_NE(why.find("initiator: bad initiator name"), std::string::npos) << why;
  }
}

TEST(InitiatorList, HasALimit) {
  Names names;
  for (unsigned i = 0; i < InitiatorList::kMaxNames; ++i)
    names.push_back(name_number(i));
  EXPECT_TRUE(list_of(names).is_ok());
  names.push_back(name_number(InitiatorList::kMaxNames));
  std::string why;
  EXPECT_EQ(list_of(names, &why).error(), Error::kTooBig);
  EXPECT_EQ(why, "initiator: more than 8192 of them");
}

TEST(InitiatorList, SurvivesEveryFailedAllocation) {
  const uint64_t before = host_live_allocations();
  bool is_done = false;
  for (int at = 1; !is_done; ++at) {
    ASSERT_LT(at, 100);
    host_fail_allocation_at(at);
    auto list = list_of({kHost1, kHost2, kHost3, kHost3 + "0", kHost3 + "1"});
    host_fail_allocation_at(0);
    is_done = list.is_ok();
    EXPECT_EQ(list.error(), is_done ? Error::kNone : Error::kNoMemory);
  }
  EXPECT_EQ(host_live_allocations(), before);
}

struct Case {
  bool enabled;
  bool has_lines;  // For kHost1.
  bool is_listed;  // A list with kHost2.
  AclSourceOrder order;
  // Of kHost1, kHost2 and kHost3.
  LoginGrant expected[3];
};

constexpr LoginGrant kNo = LoginGrant::kRefused, kAcl = LoginGrant::kByAcl,
                     kIsns = LoginGrant::kByIsns;

// The first source that knows the target decides alone.
TEST(CheckLogin, AsksTheFirstSourceThatKnowsTheTarget) {
  constexpr AclSourceOrder kFile = AclSourceOrder::kConfig, kServer = AclSourceOrder::kIsns;
  const Case kCases[] = {
      {true, true, true, kFile, {kAcl, kNo, kNo}},
      {true, true, true, kServer, {kNo, kIsns, kNo}},
      {true, true, false, kFile, {kAcl, kNo, kNo}},
      {true, true, false, kServer, {kAcl, kNo, kNo}},
      {true, false, true, kFile, {kNo, kIsns, kNo}},
      {true, false, true, kServer, {kNo, kIsns, kNo}},
      {true, false, false, kFile, {kNo, kNo, kNo}},
      {true, false, false, kServer, {kNo, kNo, kNo}},
      {false, true, true, kFile, {kAcl, kAcl, kAcl}},
      {false, true, true, kServer, {kAcl, kAcl, kAcl}},
      {false, false, true, kServer, {kAcl, kAcl, kAcl}},
  };
  auto listed = list_of({kHost2});
  ASSERT_TRUE(listed.is_ok());
  for (const Case& one : kCases) {
    std::string text = std::string("ACL_Enable=") + (one.enabled ? "Yes" : "No") + '\0';
    if (one.has_lines) text += "ACL=iname=" + kHost1 + '\0';
    ConfigError error;
    auto settings =
        TargetSettings::parse("iqn.2026-11.org.example:disk", bytes_of(text), {}, &error);
    ASSERT_TRUE(settings.is_ok()) << error.c_str();
    const std::string* kHosts[] = {&kHost1, &kHost2, &kHost3};
    for (size_t i = 0; i < 3; ++i) {
      AccessSubject who;
      who.initiator_name = kHosts[i]->c_str();
      EXPECT_EQ(check_login(*settings.value(), one.is_listed ? listed.value().get() : nullptr,
                            one.order, who),
                one.expected[i])
          << "case " << &one - kCases << ", " << *kHosts[i];
    }
  }
}

}  // namespace
}  // namespace chiscsi::test
