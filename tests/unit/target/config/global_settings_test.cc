// SPDX-License-Identifier: GPL-2.0-only
//
// GlobalSettings: every key with its range and default, what spans several keys, changes of single
// keys, and that what is printed reads back as the same and shows no secret unasked.
#include "target/config/global_settings.hh"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "host.hh"
#include "target/config/address.hh"
#include "target/config/key_hint.hh"

namespace chiscsi {
namespace {

std::string string_of(Text text) { return {text.data(), text.size()}; }

std::string buffer_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines)
    text += line + '\0';
  return text;
}

Bytes bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

Ref<GlobalSettings> take(Result<Ref<GlobalSettings>> result, const ConfigError& error) {
  EXPECT_TRUE(result.is_ok()) << error.c_str();
  EXPECT_TRUE(error.empty() || !result.is_ok()) << error.c_str();
  return result.is_ok() ? result.take() : Ref<GlobalSettings>();
}

Ref<GlobalSettings> parse(const std::vector<std::string>& lines) {
  ConfigError error;
  const std::string text = buffer_of(lines);
  return take(GlobalSettings::parse(bytes_of(text), &error), error);
}

std::string error_of(const std::vector<std::string>& lines) {
  ConfigError error;
  const std::string text = buffer_of(lines);
  EXPECT_EQ(GlobalSettings::parse(bytes_of(text), &error).error(), Error::kInvalid) << lines[0];
  return error.c_str();
}

Ref<GlobalSettings> update(const GlobalSettings& current, const std::vector<std::string>& lines) {
  ConfigError error;
  const std::string text = buffer_of(lines);
  return take(GlobalSettings::update(current, bytes_of(text), &error), error);
}

std::string update_error(const GlobalSettings& current, const std::vector<std::string>& lines) {
  ConfigError error;
  const std::string text = buffer_of(lines);
  EXPECT_EQ(GlobalSettings::update(current, bytes_of(text), &error).error(), Error::kInvalid);
  return error.c_str();
}

std::string printed(const GlobalSettings& settings, bool secrets, char end = '\n') {
  TextBuilder out;
  settings.print(&out, secrets, end);
  EXPECT_TRUE(out.is_ok());
  return string_of(out.text());
}

TEST(GlobalSettings, HasTheDocumentedDefaults) {
  const auto settings = parse({});
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->auth_order(), AuthOrder::kChap);
  EXPECT_EQ(settings->acl_order(), AclSourceOrder::kConfig);
  EXPECT_EQ(settings->offload_mode(), OffloadMode::kAuto);
  EXPECT_EQ(settings->login_complete_time_s(), 300u);
  EXPECT_EQ(settings->message_mask(), 0x7u);
  EXPECT_EQ(settings->debug_mask(), 0u);
  EXPECT_EQ(string_of(settings->vendor_id()), "CHISCSI");
  EXPECT_EQ(string_of(settings->chelsio_initiator()), "cxgb4i");
  EXPECT_FALSE(settings->ha_mode());
  EXPECT_FALSE(settings->has_isns_server());
  EXPECT_TRUE(settings->isns_id().empty());
  EXPECT_EQ(settings->isns_query_s(), 60u);
  const AuthSettings& auth = settings->discovery_auth();
  EXPECT_EQ(auth.methods.size(), 1);
  EXPECT_EQ(auth.methods[0], AuthMethod::kNone);
  EXPECT_EQ(auth.policy, ChapPolicy::kOneway);
  EXPECT_TRUE(auth.initiators.empty());
  EXPECT_FALSE(auth.has_target_account());
}

TEST(GlobalSettings, TakesEveryKey) {
  const auto settings = parse(
      {"iscsi_auth_order=ACL", "DISC_AuthMethod=CHAP", "DISC_Auth_CHAP_Policy=Mutual",
       "DISC_Auth_CHAP_Initiator=\"a\":\"secret number 1\"",
       "DISC_Auth_CHAP_Initiator=\"b\":\"secret number 2\"",
       "DISC_Auth_CHAP_Target=\"t\":\"secret number 3\"", "iscsi_chelsio_ini_idstr=cxgb",
       "iscsi_target_vendor_id=EXAMPLE", "iscsi_login_complete_time=0", "iscsi_offload_mode=ULP",
       "iscsi_acl_order=ISNS", "iscsi_HA_mode=Yes", "iscsi_verbose_level=0xf,0xc82000",
       "isns_server=192.0.2.7", "isns_id=host one", "isns_query=5"});
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->auth_order(), AuthOrder::kAcl);
  EXPECT_EQ(settings->acl_order(), AclSourceOrder::kIsns);
  EXPECT_EQ(settings->offload_mode(), OffloadMode::kUlp);
  EXPECT_EQ(settings->login_complete_time_s(), 0u);
  EXPECT_EQ(settings->message_mask(), kLogErrors | kLogWarnings | kLogNotices | kLogDebug);
  EXPECT_EQ(settings->debug_mask(), kDebugCommands | kDebugData | kDebugDriver | kDebugStates);
  EXPECT_EQ(string_of(settings->vendor_id()), "EXAMPLE");
  EXPECT_EQ(string_of(settings->chelsio_initiator()), "cxgb");
  EXPECT_TRUE(settings->ha_mode());
  EXPECT_EQ(string_of(format_ip_and_port(settings->isns_server()).text()), "192.0.2.7:3205");
  EXPECT_EQ(string_of(settings->isns_id()), "host one");
  EXPECT_EQ(settings->isns_query_s(), 5u);
  const AuthSettings& auth = settings->discovery_auth();
  EXPECT_EQ(auth.methods[0], AuthMethod::kChap);
  EXPECT_EQ(auth.policy, ChapPolicy::kMutual);
  ASSERT_EQ(auth.initiators.size(), 2u);
  EXPECT_EQ(string_of(auth.initiators[1].name), "b");
  EXPECT_EQ(string_of(auth.initiators[1].secret), "secret number 2");
  EXPECT_EQ(string_of(auth.target.secret), "secret number 3");
}

TEST(GlobalSettings, TakesTheLimitsAndRefusesWhatIsBeyond) {
  const struct {
    std::string key;
    std::vector<std::string> good, bad;
  } rows[] = {
      {"iscsi_auth_order", {"ACL", "CHAP"}, {"", "acl", "ACL,CHAP", "None"}},
      {"DISC_AuthMethod", {"None"}, {"", "none", "None,CHAP", "chap"}},
      {"DISC_Auth_CHAP_Policy", {"Oneway"}, {"", "oneway", "Both"}},
      {"DISC_Auth_CHAP_Initiator",
       {"\"a\":\"123456\"", "\"" + std::string(255, 'i') + "\":\"" + std::string(255, 's') + "\"",
        "\"a\":\"123456\",\"b\":\"123456\""},
       {"", "a:123456", "\"a\":\"12345\"", "\"\":\"123456\"", "\"a\":\"123456\",",
        "\"a\":\"123456\",\"a\":\"1234567\"", "\"" + std::string(256, 'i') + "\":\"123456\"",
        "\"a\":\"" + std::string(256, 's') + "\""}},
      {"DISC_Auth_CHAP_Target",
       {"\"t\":\"123456\""},
       {"", "t", "\"a\":\"123456\",\"b\":\"123456\""}},
      {"iscsi_chelsio_ini_idstr",
       {"c", std::string(255, 'c')},
       {"", std::string(256, 'c'), "a\tb"}},
      {"iscsi_target_vendor_id", {"X", "A VENDOR", "12345678"}, {"", "123456789", "\x80"}},
      {"iscsi_login_complete_time", {"0", "3600"}, {"", "3601", "-1", "1s", "01", "0x10"}},
      {"iscsi_offload_mode", {"AUTO", "TOE", "ULP"}, {"", "auto", "NONE"}},
      {"iscsi_acl_order", {"CONFIG", "ISNS"}, {"", "config", "CONFIG,ISNS"}},
      {"iscsi_HA_mode", {"Yes", "No"}, {"", "yes", "1"}},
      {"iscsi_verbose_level",
       {"0x0", "0xf", "f,c82000", "0xffffffff,0xFFFFFFFF"},
       {"", "0x", "0xf,", ",0xf", "0xg", "0x100000000", "0xf,0x1,0x1", "0xf, 0x1"}},
      {"isns_server",
       {"192.0.2.1", "192.0.2.1:1", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:65535"},
       {"", "192.0.2", "192.0.2.1:0", "192.0.2.1:65536", "example.org", "[]"}},
      {"isns_id", {"x", std::string(255, 'x')}, {"", std::string(256, 'x'), "a\x01"}},
      {"isns_query", {"1", "86400"}, {"", "0", "86401", "x"}},
  };
  for (const auto& row : rows) {
    EXPECT_TRUE(GlobalSettings::knows(row.key.c_str()));
    for (const std::string& value : row.good)
      EXPECT_TRUE(parse({row.key + "=" + value})) << row.key << "=" << value;
    for (const std::string& value : row.bad) {
      const std::string error = error_of({row.key + "=" + value});
      EXPECT_EQ(error.rfind(row.key + ": ", 0), 0u) << row.key << "=" << value << ": " << error;
    }
    EXPECT_EQ(error_of({row.key}), row.key + ": has no value");
  }
  EXPECT_FALSE(GlobalSettings::knows("TargetName"));
  EXPECT_FALSE(GlobalSettings::knows(""));
}

TEST(GlobalSettings, SaysWhatIsAllowed) {
  EXPECT_EQ(error_of({"iscsi_offload_mode=toe"}),
            "iscsi_offload_mode: wants AUTO, TOE or ULP, not \"toe\"");
  EXPECT_EQ(error_of({"iscsi_login_complete_time=4000"}),
            "iscsi_login_complete_time: wants a number from 0 to 3600, not \"4000\"");
  EXPECT_EQ(error_of({"iscsi_target_vendor_id=CHELSIO_X"}),
            "iscsi_target_vendor_id: wants 1 to 8 printable characters, not \"CHELSIO_X\"");
  EXPECT_EQ(error_of({"isns_query=1", "isns_query=1"}), "isns_query: is given twice");
}

TEST(GlobalSettings, NamesTheNearestKeyWhenOneIsUnknown) {
  EXPECT_EQ(error_of({"isns_sever=192.0.2.1"}),
            "isns_sever: unknown key, did you mean isns_server?");
  EXPECT_EQ(error_of({"Iscsi_ha_mode=Yes"}),
            "Iscsi_ha_mode: unknown key, did you mean iscsi_HA_mode?");
  EXPECT_EQ(error_of({"utterly different=1"}), "utterly: unknown key");
  EXPECT_EQ(error_of({"=1"}), "\"\": unknown key");
  EXPECT_EQ(error_of({std::string(5000, 'K')}), std::string(40, 'K') + "...: unknown key");
}

TEST(GlobalSettings, ChecksWhatSpansSeveralKeys) {
  EXPECT_EQ(error_of({"DISC_AuthMethod=CHAP"}),
            "DISC_AuthMethod: CHAP alone needs at least one DISC_Auth_CHAP_Initiator");
  EXPECT_EQ(error_of({"DISC_Auth_CHAP_Policy=Mutual"}),
            "DISC_Auth_CHAP_Policy: Mutual needs DISC_Auth_CHAP_Target");
  EXPECT_EQ(error_of({"DISC_Auth_CHAP_Initiator=\"a\":\"123456\"",
                      "DISC_Auth_CHAP_Target=\"t\":\"123456\""}),
            "DISC_Auth_CHAP_Target: its secret is also that of a DISC_Auth_CHAP_Initiator");
}

TEST(GlobalSettings, ReportsEveryMistakeToWhoAsks) {
  struct Listener : ConfigErrors {
    void report(uint32_t pair, const ConfigError& error) override {
      lines.push_back(std::to_string(pair) + " " + error.c_str());
    }
    std::vector<std::string> lines;
  } listener;
  const std::string text =
      buffer_of({"isns_query=0", "isns_id=x", "Foo=1", "DISC_AuthMethod=CHAP"});
  ConfigError error;
  EXPECT_EQ(GlobalSettings::parse(bytes_of(text), &error, &listener).error(), Error::kInvalid);
  // The missing account is no mistake of its own while single keys are wrong.
  EXPECT_EQ(listener.lines,
            (std::vector<std::string>{"0 isns_query: wants a number from 1 to 86400, not \"0\"",
                                      "2 Foo: unknown key"}));
  listener.lines.clear();
  const std::string lonely = buffer_of({"DISC_AuthMethod=CHAP"});
  EXPECT_EQ(GlobalSettings::parse(bytes_of(lonely), &error, &listener).error(), Error::kInvalid);
  ASSERT_EQ(listener.lines.size(), 1u);
  EXPECT_EQ(listener.lines[0].rfind(std::to_string(ConfigErrors::kNoPair), 0), 0u);
}

const std::vector<std::string> kRich = {"DISC_AuthMethod=CHAP",
                                        "DISC_Auth_CHAP_Initiator=\"a\":\"secret number 1\"",
                                        "DISC_Auth_CHAP_Target=\"t\":\"secret number 3\"",
                                        "iscsi_target_vendor_id=EXAMPLE",
                                        "iscsi_verbose_level=0xf,0xc82000",
                                        "isns_server=[2001:db8::1]:99",
                                        "isns_id=me"};

TEST(GlobalSettings, PrintsWhatReadsBackAsTheSame) {
  for (const auto& lines : {std::vector<std::string>{}, kRich}) {
    const auto settings = parse(lines);
    ASSERT_TRUE(settings);
    const std::string text = printed(*settings, true, '\0');
    ConfigError error;
    const auto again = take(GlobalSettings::parse(bytes_of(text), &error), error);
    ASSERT_TRUE(again);
    EXPECT_EQ(printed(*again, true), printed(*settings, true));
  }
}

TEST(GlobalSettings, PrintsEveryKeyAndNoSecretUnasked) {
  EXPECT_EQ(printed(*parse({}), true),
            "iscsi_auth_order=CHAP\nDISC_AuthMethod=None\nDISC_Auth_CHAP_Policy=Oneway\n"
            "iscsi_chelsio_ini_idstr=cxgb4i\niscsi_target_vendor_id=CHISCSI\n"
            "iscsi_login_complete_time=300\niscsi_offload_mode=AUTO\niscsi_acl_order=CONFIG\n"
            "iscsi_HA_mode=No\niscsi_verbose_level=0x7,0x0\nisns_query=60\n");
  const std::string masked = printed(*parse(kRich), false);
  EXPECT_NE(masked.find("DISC_Auth_CHAP_Initiator=\"a\":\"***\"\n"), std::string::npos);
  EXPECT_NE(masked.find("DISC_Auth_CHAP_Target=\"t\":\"***\"\n"), std::string::npos);
  EXPECT_NE(masked.find("isns_server=[2001:db8::1]:99\nisns_id=me\n"), std::string::npos);
  EXPECT_EQ(masked.find("secret number"), std::string::npos);
}

TEST(GlobalSettings, UpdateChangesWhatItNamesAndNothingElse) {
  const auto before = parse(kRich);
  const auto after = update(*before, {"isns_query=7", "DISC_Auth_CHAP_Initiator=\"b\":\"654321\""});
  ASSERT_TRUE(after);
  EXPECT_EQ(after->isns_query_s(), 7u);
  EXPECT_EQ(string_of(after->vendor_id()), "EXAMPLE");
  EXPECT_EQ(string_of(after->discovery_auth().target.secret), "secret number 3");
  ASSERT_EQ(after->discovery_auth().initiators.size(), 1u);
  EXPECT_EQ(string_of(after->discovery_auth().initiators[0].name), "b");
  EXPECT_EQ(printed(*update(*before, {}), true), printed(*before, true));
}

TEST(GlobalSettings, UpdateTakesAwayByAnEmptyValue) {
  const auto before = parse(kRich);
  const auto after = update(*before, {"DISC_AuthMethod=None", "DISC_Auth_CHAP_Initiator=",
                                      "DISC_Auth_CHAP_Target=", "isns_server=", "isns_id="});
  ASSERT_TRUE(after);
  EXPECT_TRUE(after->discovery_auth().initiators.empty());
  EXPECT_FALSE(after->discovery_auth().has_target_account());
  EXPECT_FALSE(after->has_isns_server());
  EXPECT_TRUE(after->isns_id().empty());
  EXPECT_EQ(update_error(*before, {"DISC_Auth_CHAP_Initiator="}),
            "DISC_AuthMethod: CHAP alone needs at least one DISC_Auth_CHAP_Initiator");
  EXPECT_EQ(update_error(*before, {"iscsi_target_vendor_id="}).rfind("iscsi_target_vendor_id: ", 0),
            0u);
  EXPECT_EQ(update_error(*before, {"isns_query=1", "isns_query=2"}), "isns_query: is given twice");
  EXPECT_EQ(update_error(*before, {"Foo=1"}), "Foo: unknown key");
}

TEST(GlobalSettings, NoErrorShowsASecret) {
  for (const char* line :
       {"DISC_Auth_CHAP_Initiator=\"a\":hush-hush-hush", "DISC_Auth_CHAP_Target=hush-hush-hush",
        "DISC_Auth_CHAP_Initiator=\"a\":\"hush\"",
        "DISC_Auth_CHAP_Initiator=a:\"hush-hush-hush\""}) {
    EXPECT_EQ(error_of({line}).find("hush"), std::string::npos) << line;
  }
}

TEST(GlobalSettings, SurvivesEveryFailureOfMemory) {
  const std::string text = buffer_of(kRich);
  const uint64_t before = host_live_allocations();
  bool succeeded = false;
  for (uint64_t failing = 1; failing < 40 && !succeeded; ++failing) {
    ConfigError error;
    host_fail_allocation_at(failing);
    auto result = GlobalSettings::parse(bytes_of(text), &error);
    auto updated = result.is_ok() ? GlobalSettings::update(*result.value(), bytes_of(text), &error)
                                  : Result<Ref<GlobalSettings>>(result.error());
    succeeded = updated.is_ok();
    if (!succeeded) {
      EXPECT_EQ(updated.error(), Error::kNoMemory);
    }
  }
  host_fail_allocation_at(0);
  EXPECT_TRUE(succeeded);
  EXPECT_EQ(host_live_allocations(), before);
}

TEST(KeyHint, FindsTheNearestOfThoseThatAreNear) {
  const auto best = [](const char* wrong) {
    KeyHint hint(wrong);
    for (const char* key : {"ACL", "ACL_Enable", "MaxBurstLength", "FirstBurstLength"})
      hint.offer(key);
    return string_of(hint.best());
  };
  EXPECT_EQ(best("acl"), "ACL");
  EXPECT_EQ(best("ACLEnable"), "ACL_Enable");
  EXPECT_EQ(best("MaxBurstLen"), "MaxBurstLength");
  EXPECT_EQ(best("FristBurstLength"), "FirstBurstLength");
  EXPECT_EQ(best("x"), "");
  EXPECT_EQ(best(""), "");
  EXPECT_EQ(best(std::string(100, 'A').c_str()), "");
}

}  // namespace
}  // namespace chiscsi
