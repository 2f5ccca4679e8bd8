// SPDX-License-Identifier: GPL-2.0-only
//
// See devices.hh.
#include "devices.hh"

#include <sstream>
#include <string>

#include "common/chiscsi.h"

namespace {

char class_name[] = "chiscsi";
int owner;  // Its address says whose the target is.

void add_keys(std::string* text, const std::string& prefix, const char* list) {
  std::istringstream parts(list);
  for (std::string part; std::getline(parts, part, ';');) {
    if (!part.empty()) text->append(prefix + part).push_back('\0');
  }
}

}  // namespace

int devices_start(const char* target_name, const char* portal, const char* keys,
                  const char* devices) {
  std::string text, name = target_name;
  const std::string prefix = "PortalGroup=";
  const bool is_whole = std::string(portal).compare(0, prefix.size(), prefix) == 0;
  add_keys(&text, is_whole ? "" : prefix, portal);
  add_keys(&text, "", keys);
  add_keys(&text, "TargetDevice=", devices);
  return chiscsi_target_add(&owner, name.data(), class_name, text.data(),
                            static_cast<int>(text.size()));
}

void devices_stop(const char* target_name) {
  std::string name = target_name;
  chiscsi_target_remove(&owner, name.data());
}
