// SPDX-License-Identifier: GPL-2.0-only
//
// The control device's requests: the envelope, and from an operation to its function.
#include "target/control/request.hh"

#include "os/memory.h"
#include "target/engine.hh"

namespace chiscsi::control {

namespace {

constexpr uint32_t kKnownFlags =
    CHISCSI_CONTROL_CHECK | CHISCSI_CONTROL_SECRETS | CHISCSI_CONTROL_DEFAULTS;

Status versions(Request& request) {
  CHISCSI_TRY(take_nothing(request));
  request.out.pair("module", CHISCSI_API_VERSION_STRING);
  request.out.number("api", CHISCSI_API_VERSION);
  request.out.number("control", CHISCSI_CONTROL_VERSION);
  request.out.end_record();
  return Status();
}

struct Operation {
  uint32_t op;
  uint32_t flags;  // That mean something to it.
  Status (*run)(Request& request);
};

constexpr Operation kOperations[] = {
    {CHISCSI_CONTROL_VERSIONS, 0, &versions},
    {CHISCSI_CONTROL_TARGET_START, CHISCSI_CONTROL_CHECK, &start_target},
    {CHISCSI_CONTROL_TARGET_STOP, 0, &stop_target},
    {CHISCSI_CONTROL_TARGET_LIST, 0, &list_targets},
    {CHISCSI_CONTROL_TARGET_CONFIG, CHISCSI_CONTROL_SECRETS, &show_target},
    {CHISCSI_CONTROL_GLOBAL_GET, CHISCSI_CONTROL_SECRETS, &show_globals},
    {CHISCSI_CONTROL_GLOBAL_SET, CHISCSI_CONTROL_CHECK | CHISCSI_CONTROL_DEFAULTS, &set_globals},
    {CHISCSI_CONTROL_SESSION_LIST, 0, &list_sessions},
    {CHISCSI_CONTROL_SESSION_DROP, 0, &drop_session},
    {CHISCSI_CONTROL_LUN_FLUSH, 0, &flush_luns},
    {CHISCSI_CONTROL_STATISTICS, 0, &show_statistics},
    {CHISCSI_CONTROL_ALUA_SET, 0, &set_access_state},
    {CHISCSI_CONTROL_ISNS_ALLOW, 0, &allow_initiators},
    {CHISCSI_CONTROL_ISNS_FORGET, 0, &forget_initiators},
    {CHISCSI_CONTROL_TARGET_STATE, 0, &show_target_state},
};

const Operation* find_operation(uint32_t op) {
  for (const Operation& known : kOperations) {
    if (known.op == op) return &known;
  }
  return nullptr;
}

template <size_t N>
void put_error(char (&to)[N], Text text) {
  const Text fitting = text.first(N - 1);
  __builtin_memset(to, 0, N);
  if (!fitting.empty()) __builtin_memcpy(to, fitting.data(), fitting.size());
}

template <size_t N>
int refuse(char (&error)[N], Error code, Text why) {
  put_error(error, why);
  return -static_cast<int>(code);
}

Status run(const Operation& operation, Request& request) {
  if ((request.flags & ~operation.flags) != 0) {
    request.why.add("a flag that this operation does not know");
    return Error::kInvalid;
  }
  return operation.run(request);
}

// What the asker gets, as far as it has room for it.
int hand_over(Request& request, engine_control_call* call) {
  if (request.out.is_broken()) {
    return refuse(call->error, Error::kNoMemory, "out of memory for the output");
  }
  if (request.out.size() > CHISCSI_CONTROL_MAX_OUTPUT) {
    return refuse(call->error, Error::kTooBig, "the output is longer than 64 MiB");
  }
  call->out_used = static_cast<uint32_t>(request.out.size());
  if (!request.out.fits()) {
    return refuse(call->error, Error::kNoSpace, "the output needs more room");
  }
  size_t kept;
  call->out = request.out.release(&kept);
  return 0;
}

}  // namespace

Status take_nothing(Request& request) { return take_words(request.in, Span<Word>(), &request.why); }

Result<Ref<Target>> find_target(Request& request, Text name) {
  return request.engine.registry().find_target(name, &request.why);
}

}  // namespace chiscsi::control

using namespace chiscsi;  // NOLINT: this part of the file is the C interface.

extern "C" {

int engine_control_check(struct chiscsi_control* control) {
  control->out_used = 0;
  control::put_error(control->error, Text());
  const auto refuse = [control](Error code, const char* why) {
    return control::refuse(control->error, code, why);
  };
  if (control->size != sizeof(*control) || control->version != CHISCSI_CONTROL_VERSION) {
    return refuse(Error::kInvalid, "the request is made for another version of the module");
  }
  const control::Operation* operation = control::find_operation(control->op);
  if (operation == nullptr) {
    return refuse(Error::kNotSupported, "unknown operation");
  }
  if ((control->flags & ~control::kKnownFlags) != 0 || control->reserved != 0) {
    return refuse(Error::kInvalid, "unknown flags, or a reserved field that is not zero");
  }
  if (control->in_size > CHISCSI_CONTROL_MAX_INPUT) {
    return refuse(Error::kTooBig, "the input is longer than the operation takes");
  }
  return 0;
}

int engine_control(struct engine_control_call* call) {
  call->out = nullptr;
  call->out_used = 0;
  control::put_error(call->error, Text());
  const control::Operation* operation = control::find_operation(call->op);
  if (operation == nullptr) {
    return control::refuse(call->error, Error::kNotSupported, "unknown operation");
  }
  const Bytes in(static_cast<const uint8_t*>(call->in), call->in == nullptr ? 0 : call->in_size);
  const uint32_t room =
      call->out_room < CHISCSI_CONTROL_MAX_OUTPUT ? call->out_room : CHISCSI_CONTROL_MAX_OUTPUT;
  control::Request request(Engine::instance(), call->holder, call->flags, in, room);
  const Status status = control::run(*operation, request);
  if (status.is_ok() || !request.out.fits()) return control::hand_over(request, call);
  return control::refuse(call->error, status.error(), request.why.text());
}

void engine_control_gone(unsigned long holder) {
  control::forget_holder(Engine::instance(), holder);
}

void engine_control_release(struct engine_control_call* call) {
  if (call->out == nullptr) return;
  os_wipe(call->out, call->out_used);
  os_free(call->out);
  call->out = nullptr;
}

}  // extern "C"
