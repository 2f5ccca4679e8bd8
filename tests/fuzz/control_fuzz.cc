// SPDX-License-Identifier: GPL-2.0-only
//
// Fuzzer of the control device: any operation, flags, room and input, against an engine with
// a target class whose disks are made of nothing.
//
// Input: a byte for the operation, one for the flags, two for the room, then the strings, in which
// a newline may stand for the NUL byte; "\n\n\n\n" begins the next request, and its first newline
// ends the last string of this one; a fifth is passed over. Oracles beside crashes:
// out_used is what the output takes, the output is lines of key=value in records without a control
// character, a refusal has a bounded text, what cannot be undone by stopping is not left behind,
// and no memory is left at the end.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "common/chiscsi.h"
#include "host.hh"
#include "target/engine.h"

namespace {

void require(bool condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "control_fuzz: %s\n", what);
  abort();
}

// A class that opens anything and never sees a command.
int attach(unsigned long, char*, int) { return 0; }
void detach(unsigned long) {}
int no_command(chiscsi_scsi_command*) { return -EIO; }
int no_transfer(chiscsi_scsi_command*, unsigned char*, unsigned int, unsigned int, unsigned int) {
  return -EIO;
}
int no_function(unsigned long, unsigned long, unsigned char, unsigned char, unsigned int,
                chiscsi_scsi_command*) {
  return -EIO;
}

char class_name[] = "fuzz", lun_class_name[] = "DISK";
chiscsi_target_class target_class = {};
chiscsi_target_lun_class lun_class = {};

void start_engine() {
  const engine_options options = {1, 30, 1, 4};
  require(engine_start(&options) == 0, "the engine does not start");
  target_class.class_name = class_name;
  lun_class.class_name = lun_class_name;
  lun_class.fp_attach = &attach;
  lun_class.fp_detach = &detach;
  lun_class.fp_scsi_cmd_cdb_rcved = &no_command;
  lun_class.fp_scsi_cmd_data_xfer_status = &no_transfer;
  lun_class.fp_scsi_cmd_abort = &no_command;
  lun_class.fp_tmf_execute = &no_function;
  require(engine_target_class_register(&target_class) == 0, "no target class");
  require(engine_target_lun_class_register(&lun_class, class_name) == 0, "no LUN class");
}

void check_output(const std::string& text) {
  bool at_start = true, has_key = false;
  for (const char c : text) {
    if (c == '\n') {
      require(at_start || has_key, "a line without a key");
      at_start = true;
      has_key = false;
      continue;
    }
    require(static_cast<unsigned char>(c) >= ' ' && c != 0x7f, "a control character");
    has_key |= c == '=';
    at_start = false;
  }
  require(at_start, "the last line has no end");
}

// The built-in classes would open files of this machine, or take all of its memory.
bool names_only_our_disks(const std::string& input) {
  constexpr char kKey[] = "TargetDevice=";
  for (size_t at = input.find(kKey); at != std::string::npos; at = input.find(kKey, at + 1)) {
    const std::string line = input.substr(at, input.find('\0', at) - at);
    const size_t type = line.find(',');
    if (type == std::string::npos || line.compare(type, 5, ",DISK") != 0) return false;
  }
  return true;
}

void run(const std::string& request) {
  if (request.size() < 4 || !names_only_our_disks(request)) return;
  engine_control_call call = {};
  call.op = static_cast<uint8_t>(request[0]) % (CHISCSI_CONTROL_OPS + 1u);
  call.flags = static_cast<uint8_t>(request[1]) & 0xf;
  const unsigned room = static_cast<uint8_t>(request[2]) | static_cast<uint8_t>(request[3]) << 8;
  call.out_room = room == 0 ? 1u << 20 : room;
  // In memory of its own size, so that a byte too much is noticed.
  const std::string input = request.substr(4);
  char* copy = static_cast<char*>(malloc(input.size() + 1));
  memcpy(copy, input.data(), input.size());
  call.in = copy;
  call.in_size = static_cast<uint32_t>(input.size());
  const int error = engine_control(&call);
  require(error <= 0 && error > -200, "a strange error");
  require(memchr(call.error, '\0', sizeof(call.error)) != nullptr, "an error text without an end");
  require(error != 0 || call.error[0] == '\0', "an error text without an error");
  require(error != -ENOSPC || call.out_used > call.out_room, "room was not short");
  if (error == 0) {
    require(call.out_used <= call.out_room, "more output than room");
    require(call.out_used == 0 || call.out != nullptr, "output is missing");
    check_output(std::string(static_cast<const char*>(call.out), call.out_used));
  }
  engine_control_release(&call);
  free(copy);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  host_set_log_level(0);
  const uint64_t before = host_live_allocations();
  start_engine();
  for (int requests = 0; requests < 16 && !text.empty(); ++requests) {
    const size_t end = text.find("\n\n\n\n");
    std::string one = end == std::string::npos ? text : text.substr(0, end + 1);
    for (size_t i = 4; i < one.size(); ++i)
      one[i] = one[i] == '\n' ? '\0' : one[i];
    run(one);
    text = end == std::string::npos ? "" : text.substr(end + 4);
    if (!text.empty() && text[0] == '\n') text.erase(0, 1);
  }
  require(engine_target_class_deregister(class_name) == 0, "the class is in use");
  engine_stop();
  host_drain_sockets();
  require(host_module_holds() == 0, "the module is held");
  require(host_live_allocations() == before, "memory is left");
  return 0;
}
