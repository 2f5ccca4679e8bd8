// SPDX-License-Identifier: GPL-2.0-only
//
// The module parameters of ifacedriver: good ones become values, bad ones one clear log line.
#include <gtest/gtest.h>

#include "fake_host.hh"

#include "../../../api-ddk/iface_config.cc"

namespace {

class IfaceConfig : public ::testing::Test {
 protected:
  IfaceConfig() {
    params_ = {};
    for (const char** text : {&params_.init_name, &params_.keys, &params_.chap_initiator_name,
                              &params_.chap_initiator_secret, &params_.chap_target_name,
                              &params_.chap_target_secret, &params_.serial}) {
      *text = "";
    }
    params_.target_name = "iqn.2026-11.org.example:t";
    params_.portal = "PortalGroup=1@192.0.2.1:3260";
    params_.lun_sizes_mb = "64";
    params_.chap = "none";
    params_.vendor = "CHISCSI";
    params_.product = "DISK";
    params_.chunk_kb = 64;
    params_.block_size = 512;
    os_log.clear();
  }

  void expect_good() {
    config_ = iface::Config{};
    EXPECT_EQ(iface::parse_config(params_, config_), 0) << os_log;
  }
  void expect_refused(const std::string& line) {
    config_ = iface::Config{};
    EXPECT_EQ(iface::parse_config(params_, config_), iface::kEinval);
    EXPECT_EQ(os_log, line);
  }
  std::vector<std::string> keys() const {
    std::vector<std::string> all;
    for (const char* at = config_.keys; at < config_.keys + config_.keys_length;) {
      all.emplace_back(at);
      at += all.back().size() + 1;
    }
    return all;
  }
  bool has_key(const std::string& wanted) const {
    for (const std::string& key : keys()) {
      if (key == wanted) return true;
    }
    return false;
  }

  iface_params params_;
  iface::Config config_;
};

TEST_F(IfaceConfig, AcceptsPortalsOfEitherFamily) {
  for (const char* portal :
       {"PortalGroup=1@192.0.2.1", "1@192.0.2.1:1", "65535@192.0.2.1:3260,192.0.2.2,timeout=30",
        "1@[::]:3260", "1@[2001:db8::1]", "2@[2001:db8:1:2:3:4:5:6]:3260,10.0.0.1",
        "1@[::ffff:192.0.2.1]:3260", "1@[fe80::]"}) {
    params_.portal = portal;
    expect_good();
  }
  EXPECT_EQ(keys()[0], "PortalGroup=1@[fe80::]");
}

TEST_F(IfaceConfig, RefusesBadPortals) {
  const struct {
    const char* portal;
    const char* line;
  } cases[] = {
      {"", "portal: missing, e.g. portal=PortalGroup=1@192.0.2.10:3260"},
      {"192.0.2.1", "portal: no @ after the tag in \"192.0.2.1\""},
      {"0@192.0.2.1", "portal: bad tag \"0\""},
      {"x@192.0.2.1", "portal: bad tag \"x\""},
      {"1@", "portal: bad address \"\""},
      {"1@x", "portal: bad address \"x\""},
      {"1@192.0.2", "portal: bad address \"192.0.2\""},
      {"1@192.0.2.256", "portal: bad address \"192.0.2.256\""},
      {"1@192.0.2.1.2", "portal: bad address \"192.0.2.1.2\""},
      {"1@192.0.2.1:", "portal: bad address \"192.0.2.1:\""},
      {"1@192.0.2.1:65536", "portal: bad address \"192.0.2.1:65536\""},
      {"1@192.0.2.1,,", "portal: bad address \"\""},
      {"1@192.0.2.1;x", "portal: bad address \"192.0.2.1;x\""},
      {"1@[1::2::3]", "portal: bad address \"[1::2::3]\""},
      {"1@[1:2:3:4:5:6:7:8:9]", "portal: bad address \"[1:2:3:4:5:6:7:8:9]\""},
      {"1@[12345::]", "portal: bad address \"[12345::]\""},
      {"1@[1:]", "portal: bad address \"[1:]\""},
      {"1@[:]", "portal: bad address \"[:]\""},
      {"1@[::1", "portal: bad address \"[::1\""},
      {"1@[::1]3260", "portal: bad address \"[::1]3260\""},
      {"1@timeout=9", "portal: no address"},
      {"1@192.0.2.1,timeout=x", "portal: bad \"timeout=x\""},
  };
  for (const auto& c : cases) {
    params_.portal = c.portal;
    expect_refused(c.line);
  }
}

TEST_F(IfaceConfig, ReadsLunSizesInOrder) {
  params_.lun_sizes_mb = "256,512,1024";
  expect_good();
  ASSERT_EQ(config_.lun_count, 3u);
  EXPECT_EQ(config_.lun_mb[2], 1024u);
  for (const char* bad : {",", "1,", "0", "12x", "-1", "99999999999"}) {
    params_.lun_sizes_mb = bad;
    EXPECT_EQ(iface::parse_config(params_, *new (&config_) iface::Config{}), iface::kEinval) << bad;
  }
  params_.lun_sizes_mb = "";
  expect_refused("lun_sizes_mb: at least one size is needed");
  std::string many = "1";
  for (int i = 1; i < 64; ++i)
    many += ",1";
  params_.lun_sizes_mb = many.c_str();
  expect_good();
  many += ",1";
  params_.lun_sizes_mb = many.c_str();
  expect_refused("lun_sizes_mb: more than 64 sizes");
}

TEST_F(IfaceConfig, ChecksNames) {
  params_.target_name = "disk0";
  expect_refused("target_name: not an iSCSI name: \"disk0\"");
  params_.target_name = "iqn.2026-11.org.example:t t";
  expect_refused("target_name: not an iSCSI name: \"iqn.2026-11.org.example:t t\"");
  const std::string longest = "iqn." + std::string(219, 'a');
  params_.target_name = longest.c_str();
  expect_good();
  const std::string longer = longest + "a";
  params_.target_name = longer.c_str();
  EXPECT_EQ(iface::parse_config(params_, *new (&config_) iface::Config{}), iface::kEinval);
}

TEST_F(IfaceConfig, AccessControlNeedsAName) {
  params_.acl = 1;
  expect_refused("acl: needs init_name");
  params_.init_name = "iqn.1994-05.org.example:host";
  expect_good();
}

TEST_F(IfaceConfig, ChapNeedsUsableSecrets) {
  params_.chap = "both";
  expect_refused("chap: must be none, oneway or mutual, not \"both\"");
  params_.chap = "oneway";
  expect_refused("chap_initiator_secret: needs 6 to 16 characters");
  params_.chap_initiator_secret = "0123456789abcdefg";
  expect_refused("chap_initiator_secret: needs 6 to 16 characters");
  params_.chap_initiator_secret = "0123456789abcdef";
  expect_good();
  EXPECT_TRUE(has_key("AuthMethod=CHAP"));
  params_.chap_mutual_required = 1;
  expect_refused("chap_mutual_required: needs chap=mutual");
  params_.chap = "mutual";
  params_.chap_target_secret = "0123456789abcdef";
  expect_refused("chap_target_secret: must differ from chap_initiator_secret");
  params_.chap_target_secret = "fedcba9876543210";
  expect_good();
  EXPECT_STREQ(config_.target.name, "iqn.2026-11.org.example:t");
}

TEST_F(IfaceConfig, GivenKeysReplaceTheDefaults) {
  params_.keys = "HeaderDigest=None,CRC32C;InitialR2T=Yes;;MaxBurstLength=65536";
  expect_good();
  EXPECT_TRUE(has_key("HeaderDigest=None,CRC32C"));
  EXPECT_TRUE(has_key("InitialR2T=Yes"));
  EXPECT_FALSE(has_key("InitialR2T=No"));
  EXPECT_FALSE(has_key("FirstBurstLength=262144"));  // would exceed the burst that was given
  EXPECT_TRUE(has_key("AuthMethod=None"));
  EXPECT_EQ(config_.keys[config_.keys_length - 1], '\0');
  params_.keys = "AuthMethod=CHAP";
  expect_good();
  EXPECT_FALSE(has_key("AuthMethod=None"));
}

TEST_F(IfaceConfig, RefusesKeysItCannotPassOn) {
  params_.keys = "InitialR2T";
  expect_refused("keys: not key=value: \"InitialR2T\"");
  params_.keys = "=1";
  expect_refused("keys: not key=value: \"=1\"");
  params_.keys = "TargetDevice=x,MEM";
  expect_refused("keys: not allowed: \"TargetDevice\"");
  const std::string big = "TargetAlias=" + std::string(5000, 'a');
  params_.keys = big.c_str();
  expect_refused("keys: too long");
}

TEST_F(IfaceConfig, ChecksNumbers) {
  params_.block_size = 1024;
  expect_refused("block_size: must be 512 or 4096");
  params_.block_size = 4096;
  params_.chunk_kb = 32;
  expect_refused("chunk_kb: must be 4, 8, 16 or 64");
  params_.chunk_kb = 4;
  params_.max_cmd = 2049;
  expect_refused("max_cmd: must be 0 to 2048");
  params_.max_cmd = 2048;
  params_.phase_kb = 16385;
  expect_refused("phase_kb: must be 0 to 16384");
  params_.phase_kb = 64;
  expect_good();
  EXPECT_EQ(config_.block_shift, 12u);
  EXPECT_EQ(config_.chunk_shift, 12u);
  EXPECT_EQ(config_.phase_bytes, 65536u);
}

}  // namespace
