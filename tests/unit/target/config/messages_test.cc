// SPDX-License-Identifier: GPL-2.0-only
//
// What an error of a target: block says: which part is wrong, and what is allowed there.
#include <gtest/gtest.h>

#include <string>

#include "target/config/config_file.hh"

namespace chiscsi {
namespace {

// The first problem of a file with this line in it, without the number.
std::string error_of(const std::string& line) {
  const std::string text = "target:\n" + line + "\n";
  auto file = ConfigFile::parse({text.data(), text.size()});
  if (!file.is_ok()) return "not parsed";
  const OwnPtr<ConfigFile> kept = file.take();
  return kept->problems().empty() ? "none" : kept->problems()[0].text.c_str();
}

struct Row {
  const char *line, *error;
};

void expect_errors(const char* key, std::initializer_list<Row> rows) {
  for (const Row& row : rows)
    EXPECT_EQ(error_of(std::string(key) + "=" + row.line), std::string(key) + ": " + row.error);
}

TEST(ConfigMessages, PortalGroup) {
  expect_errors(
      "PortalGroup",
      {{"1@192.0.2.1:0", "wants <ip>[:<port 1-65535>], IPv6 in brackets, not \"192.0.2.1:0\""},
       {"1@host", "wants <ip>[:<port 1-65535>], IPv6 in brackets, not \"host\""},
       {"1@2001:db8::1", "wants <ip>[:<port 1-65535>], IPv6 in brackets, not \"2001:db8::1\""},
       {"1@192.0.2.1,[]", "wants tags from 1 to 65535 to redirect to, not \"\""},
       {"1@192.0.2.1,[2,70000]", "wants tags from 1 to 65535 to redirect to, not \"70000\""},
       {"1@192.0.2.1,[2,2]", "wants each tag to redirect to once, not again \"2\""},
       {"1@timeout=5", "wants at least one address behind the @, not \"1@timeout=5\""}});
}

TEST(ConfigMessages, Acl) {
  expect_errors(
      "ACL",
      {{"iname=foo", "iname= wants names like iqn.2026-11.org.example:host, not \"foo\""},
       {"iname=iqn.a,", "iname= wants names like iqn.2026-11.org.example:host, not \"\""},
       {"sip=host", "sip= wants IPv4 or IPv6 addresses without a port, not \"host\""},
       {"sip=192.0.2.1:5", "sip= wants IPv4 or IPv6 addresses without a port, not \"192.0.2.1:5\""},
       {"dip=", "fields are iname=, sip=, dip= and lun=, not \"dip=\""},
       {"dip=1.2", "dip= wants IPv4 or IPv6 addresses without a port, not \"1.2\""},
       {"iname=iqn.a;lun=99999", "lun= wants ALL, or N and N~M from 0 to 16383, not \"99999\""},
       {"iname=iqn.a;lun=3~1", "lun= wants ALL, or N and N~M from 0 to 16383, not \"3~1\""}});
}

TEST(ConfigMessages, TargetDevice) {
  const std::string long_id = "/f,ID=" + std::string(25, 'x');
  expect_errors(
      "TargetDevice",
      {{"/f,ID=", "wants ID= with 1 to 24 printable characters, not \"ID=\""},
       {long_id.c_str(),
        "wants ID= with 1 to 24 printable characters, not \"ID=xxxxxxxxxxxxxxxxxxxxxxxxx\""},
       {"/f,WWN=12345678901234567",
        "wants WWN= with 1 to 16 printable characters, not \"WWN=12345678901234567\""},
       {"/f,SN=\xc3\xa9", "wants SN= with 1 to 16 printable characters, not \"SN=??\""},
       {"/f,SN=1,SN=2", "option given twice \"SN=2\""},
       {"/f,PROD=", "wants PROD= with 1 to 16 printable characters, not \"PROD=\""},
       {"/f,PROD=a,PROD=b", "option given twice \"PROD=b\""},
       {"/f,SNN=3", "unknown option \"SNN=3\", did you mean SN=?"},
       {"/f,BLK,ro", "unknown option \"ro\", did you mean RO?"},
       {"/f,FILE,sise=1MB", "unknown option \"sise=1MB\", did you mean size=?"},
       {"/f,FILE,colour=red",
        "unknown option \"colour=red\", wants NULLRW, SYNC, RO, DIRECT, THIN, REMOVABLE, ID=, "
        "WWN=, "
        "SN=, PROD=, size=, BS= or THRESHOLD="},
       {"", "wants a path or name of 1 to 255 characters first, not \"\""},
       {",MEM", "wants a path or name of 1 to 255 characters first, not \",MEM\""},
       {"/srv/\xc3\xa9.img", "wants a path or name of printable ASCII, not \"/srv/??.img\""},
       {"/f,,RO", "empty option in \"/f,,RO\""},
       {"/f,SYN\xc3\xa9", "options are printable ASCII, not \"SYN??\""}});
}

// An editor of another system puts it there.
TEST(ConfigMessages, AByteOrderMarkIsNoMistake) {
  const std::string text = "\xef\xbb\xbf# x\nglobal:\nisns_query=5\n";
  for (const std::string& start : {std::string("\xef\xbb\xbf# x\n"), std::string("\xef\xbb\xbf")}) {
    const std::string whole = start + "global:\nisns_query=0\n";
    auto file = ConfigFile::parse({whole.data(), whole.size()});
    ASSERT_TRUE(file.is_ok());
    const OwnPtr<ConfigFile> kept = file.take();
    ASSERT_EQ(kept->problems().size(), 1u);
    EXPECT_STREQ(kept->problems()[0].text.c_str(),
                 "isns_query: wants a number from 1 to 86400, not \"0\"");
    EXPECT_EQ(kept->problems()[0].line, start.size() > 3 ? 3u : 2u);
  }
  // At the start alone.
  const std::string twice = text + "\xef\xbb\xbftarget:\n";
  auto file = ConfigFile::parse({twice.data(), twice.size()});
  ASSERT_TRUE(file.is_ok());
  EXPECT_EQ(file.take()->error_count(), 1u);
}

}  // namespace
}  // namespace chiscsi
