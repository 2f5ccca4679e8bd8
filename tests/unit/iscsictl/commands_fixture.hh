// SPDX-License-Identifier: GPL-2.0-only
//
// Commands: the whole program but for main(), against a module in memory, with files in a folder of
// its own.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "commands.hh"
#include "fake_door.hh"

namespace iscsictl {

using std::string;

inline constexpr char kDisk0[] = "iqn.2026-11.org.example:disk0";
inline constexpr char kDisk1[] = "iqn.2026-11.org.example:disk1";

inline string target_block(const string& name, const string& more = "") {
  return "target:\n    TargetName=" + name +
         "\n    TargetDevice=/dev/vg/vol,BLK\n    PortalGroup=1@10.9.8.7:3260,timeout=0\n" + more;
}

class Commands : public testing::Test {
 protected:
  Commands() {
    string name = (std::filesystem::temp_directory_path() / "iscsictl.XXXXXX").string();
    folder_ = mkdtemp(name.data());
    conf_ = folder_ + "/chiscsi.conf";
  }
  ~Commands() override { std::filesystem::remove_all(folder_); }

  // Runs the whole program with these words.
  int run(std::vector<string> words) {
    words.insert(words.begin(), "iscsictl");
    std::vector<char*> argv;
    for (string& word : words)
      argv.push_back(word.data());
    argv.push_back(nullptr);
    std::istringstream in(in_);
    std::ostringstream out, err;
    Context context{door_, in, out, err, {conf_, folder_ + "/fallback.conf"}};
    context.patience_ms = patience_ms_;
    const int status = iscsictl::run(static_cast<int>(words.size()), argv.data(), context);
    out_ = out.str();
    err_ = err.str();
    return status;
  }
  void put(const string& text, const char* name = "chiscsi.conf") const {
    std::ofstream(folder_ + "/" + name) << text;
    chmod((folder_ + "/" + name).c_str(), 0600);
  }
  string get(const char* name) const {
    std::ostringstream text;
    text << std::ifstream(folder_ + "/" + name).rdbuf();
    return text.str();
  }
  bool is_active(const string& name) const { return door_.targets.count(name) != 0; }
  static bool has(const string& text, const string& part) { return text.find(part) != text.npos; }

  FakeDoor door_;
  unsigned patience_ms_ = 10000;
  string folder_, conf_, in_, out_, err_;
};

}  // namespace iscsictl
