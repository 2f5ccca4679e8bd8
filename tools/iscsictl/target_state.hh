// SPDX-License-Identifier: GPL-2.0-only
//
// What of a target stands in no file: the access states of its portal groups and the initiators
// that an iSNS server allows (CHISCSI_CONTROL_TARGET_STATE), as text and as JSON.
#pragma once

#include <optional>
#include <string>

#include "commands.hh"
#include "json.hh"

namespace iscsictl {

// As -c names them: keys that no configuration has.
inline constexpr char kAccessKey[] = "Access";
inline constexpr char kIsnsKey[] = "iSNSInitiator";

// Lines "<blanks>Access=<tag>:<state>" and "<blanks>iSNSInitiator=<name>"; with `key` only those of
// this key.
void print_state(const Record& record, const std::optional<std::string>& key, std::ostream& out);
// Members "access", and "isns_initiators" with "isns_version" when there is a list.
void write_state(const Record& record, JsonWriter& json);
// "access" alone.
void write_access(const Record& record, JsonWriter& json);

}  // namespace iscsictl
