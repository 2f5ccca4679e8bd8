// SPDX-License-Identifier: GPL-2.0-only
//
// See control_call.hh.
#include "control_call.hh"

namespace chiscsi::test {

std::string ControlRecord::value(const std::string& key) const {
  for (const auto& line : lines) {
    if (line.first == key) return line.second;
  }
  return {};
}

std::vector<std::string> ControlRecord::values(const std::string& key) const {
  std::vector<std::string> found;
  for (const auto& line : lines) {
    if (line.first == key) found.push_back(line.second);
  }
  return found;
}

uint64_t ControlRecord::number(const std::string& key) const {
  const std::string text = value(key);
  return text.empty() ? ~uint64_t{0} : std::stoull(text);
}

std::vector<ControlRecord> ControlAnswer::records() const {
  std::vector<ControlRecord> found;
  ControlRecord current;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    at = end == std::string::npos ? text.size() : end + 1;
    if (line.empty()) {
      found.push_back(std::move(current));
      current = {};
      continue;
    }
    const size_t equals = line.find('=');
    current.lines.emplace_back(line.substr(0, equals), line.substr(equals + 1));
  }
  return found;
}

ControlRecord ControlAnswer::first() const {
  const auto all = records();
  return all.empty() ? ControlRecord() : all.front();
}

ControlRecord ControlAnswer::record(const std::string& key, const std::string& value) const {
  for (const ControlRecord& candidate : records()) {
    if (candidate.lines.front() == std::make_pair(key, value)) return candidate;
  }
  return {};
}

ControlAnswer control(chiscsi_control_op op, const std::vector<std::string>& lines, uint32_t flags,
                      uint32_t room, unsigned long holder) {
  std::string input;
  for (const std::string& line : lines)
    input.append(line).push_back('\0');
  return control_raw(op, input, flags, room, holder);
}

ControlAnswer control_raw(uint32_t op, const std::string& input, uint32_t flags, uint32_t room,
                          unsigned long holder) {
  engine_control_call call = {};
  call.op = op;
  call.flags = flags;
  call.holder = holder;
  call.in = input.data();
  call.in_size = static_cast<uint32_t>(input.size());
  call.out_room = room;
  ControlAnswer answer;
  answer.error = engine_control(&call);
  answer.why = call.error;
  answer.used = call.out_used;
  if (call.out != nullptr && answer.error == 0) {
    answer.text.assign(static_cast<const char*>(call.out), call.out_used);
  }
  engine_control_release(&call);
  return answer;
}

}  // namespace chiscsi::test
