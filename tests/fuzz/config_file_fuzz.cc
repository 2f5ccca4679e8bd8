// SPDX-License-Identifier: GPL-2.0-only
//
// Fuzzer of the configuration file.
//
// Input: the text of a chiscsi.conf. Oracles beside crashes: every problem has a line of the file
// and a printable text that names something, they come in order, a file without errors has a
// snapshot for each block, the keys of a snapshot parse by themselves, what the globals print reads
// back as the same, and no memory is left.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "host.hh"
#include "target/config/config_file.hh"

namespace {

using namespace chiscsi;

void require(bool condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "config_file_fuzz: %s\n", what);
  abort();
}

void check_problems(const ConfigFile& file, uint32_t lines) {
  uint32_t before = 1;
  uint32_t errors = 0;
  for (const ConfigProblem& problem : file.problems()) {
    require(problem.line >= before && problem.line <= lines, "line of a problem");
    before = problem.line;
    errors += problem.is_warning ? 0 : 1;
    const std::string text = problem.text.c_str();
    require(text.size() < 200 && text.find(": ") != std::string::npos, "no text that names a key");
    for (const char c : text)
      require(c >= ' ' && c <= '~', "unprintable character in a text");
  }
  require(errors <= file.error_count(), "more errors than were counted");
  require(file.problems().size() <= kMaxConfigProblems, "too many problems");
}

void check_globals(const GlobalSettings& globals) {
  TextBuilder first, second;
  globals.print(&first, true, '\0');
  ConfigError error;
  auto again = GlobalSettings::parse(first.text().bytes(), &error);
  require(again.is_ok(), "globals do not read back");
  again.value()->print(&second, true, '\0');
  require(first.text() == second.text(), "globals read back as others");
}

void check_target(const ConfigTarget& target) {
  const TargetSettings& settings = *target.settings;
  require(settings.name() == target.name.text(), "name of a target");
  require(!settings.devices().empty() && !settings.portal_groups().empty(), "target of nothing");
  TargetParseOptions options;
  options.from_file = true;
  options.default_max_commands = kDefaultSessionCommandsFile;
  ConfigError error;
  auto again = TargetSettings::parse(settings.name(), settings.keys(), options, &error);
  require(again.is_ok(), "keys of a target do not parse by themselves");
  require(settings.check_reload(*again.value(), &error).is_ok(), "a target that is not itself");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const uint64_t before = host_live_allocations();
  uint32_t lines = 1;
  for (size_t i = 0; i < size; ++i)
    lines += data[i] == '\n' ? 1 : 0;
  {
    auto result = ConfigFile::parse({reinterpret_cast<const char*>(data), size});
    require(result.is_ok(), "a file is refused as a whole");
    const ConfigFile& file = *result.value();
    check_problems(file, lines);
    if (file.globals()) check_globals(*file.globals());
    for (const ConfigTarget& target : file.targets()) {
      require(target.settings || file.error_count() != 0, "no snapshot and no error");
      if (target.settings) check_target(target);
    }
    require(file.is_usable() || file.error_count() != 0, "spoiled without an error");
  }
  require(host_live_allocations() == before, "memory is left");
  return 0;
}
