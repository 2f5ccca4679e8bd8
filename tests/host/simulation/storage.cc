// SPDX-License-Identifier: GPL-2.0-only
//
// See storage.hh. All calls into the target are made by the one real thread, so a hook never runs
// inside one: what the target makes of a call shows in the next settle().
#include "storage.hh"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "internal.hh"
#include "target/engine.h"

namespace chiscsi::simulation {

namespace {

constexpr size_t kPage = 4096;
constexpr uint32_t kPiece = 3 * kPage;

Storage* instance = nullptr;

void require(bool condition, const char* what) {
  if (!condition) host_contract_broken("storage driver: %s", what);
}

}  // namespace

namespace {

// Each block of 256 bytes counts up from a start of its own: a stretch of it lies in this ramp.
struct Ramp {
  constexpr Ramp() : bytes() {
    for (int i = 0; i < 512; ++i)
      bytes[i] = static_cast<uint8_t>(i);
  }
  uint8_t bytes[512];
};
constexpr Ramp kRamp;

const uint8_t* stretch_at(uint32_t tag, uint64_t offset) {
  return kRamp.bytes + static_cast<uint8_t>(tag * 37 + offset + (offset >> 8) * 7);
}
// Visits the stretches of a range until one says no.
template <typename Visit>
bool for_each_stretch(uint64_t offset, size_t size, Visit visit) {
  for (size_t at = 0; at < size;) {
    const size_t part = std::min<size_t>(size - at, 256 - (offset + at) % 256);
    if (!visit(offset + at, at, part)) return false;
    at += part;
  }
  return true;
}

}  // namespace

void fill_data(uint32_t task_tag, uint64_t offset, void* to, size_t size) {
  for_each_stretch(offset, size, [&](uint64_t from, size_t at, size_t part) {
    memcpy(static_cast<uint8_t*>(to) + at, stretch_at(task_tag, from), part);
    return true;
  });
}

bool is_data(uint32_t task_tag, uint64_t offset, const void* bytes, size_t size) {
  return for_each_stretch(offset, size, [&](uint64_t from, size_t at, size_t part) {
    return memcmp(static_cast<const uint8_t*>(bytes) + at, stretch_at(task_tag, from), part) == 0;
  });
}

struct Storage::Loan {
  uint32_t offset;
  uint32_t length;
  std::vector<chiscsi_sgvec> list;
  std::vector<void*> memory;

  Loan(uint32_t at, uint32_t size, bool pages) : offset(at), length(size) {
    for (uint32_t left = size; left != 0;) {
      const uint32_t part = std::min(left, kPiece);
      const size_t room = (part + kPage - 1) / kPage * kPage;
      chiscsi_sgvec element = {};
      // The end of an element is the end of its memory.
      if (pages) {
        element.sg_page = aligned_alloc(kPage, room);
        element.sg_offset = static_cast<unsigned>(room - part);
        element.sg_addr = static_cast<unsigned char*>(element.sg_page) + element.sg_offset;
        memory.push_back(element.sg_page);
      } else {
        element.sg_addr = static_cast<unsigned char*>(malloc(part));
        memory.push_back(element.sg_addr);
      }
      element.sg_length = part;
      list.push_back(element);
      left -= part;
    }
  }
  ~Loan() {
    for (void* block : memory)
      free(block);
  }
  void fill(uint32_t tag) {
    uint64_t at = offset;
    for (chiscsi_sgvec& element : list) {
      fill_data(tag, at, element.sg_addr, element.sg_length);
      at += element.sg_length;
    }
  }
  bool is_filled(uint32_t tag) const {
    uint64_t at = offset;
    for (const chiscsi_sgvec& element : list) {
      if (!is_data(tag, at, element.sg_addr, element.sg_length)) return false;
      at += element.sg_length;
    }
    return true;
  }
  unsigned char* wire_list() { return reinterpret_cast<unsigned char*>(list.data()); }
  unsigned count() const { return static_cast<unsigned>(list.size()); }
};

struct Storage::Task {
  chiscsi_scsi_command* command;
  uint32_t tag;
  bool write;
  uint32_t length;
  uint32_t next_offset = 0;
  std::deque<std::unique_ptr<Loan>> loans;
  bool ended = false;    // The target has taken the end of its execution.
  bool refused = false;  // A hook has returned an error for it.
  bool abort_asked = false;
  bool abort_answered = false;

  bool is_open() const { return !ended && !refused && !abort_asked; }
};

Storage::Storage() { instance = this; }
Storage::~Storage() { instance = nullptr; }

// ---- Life ----

int Storage::start() {
  class_.class_name = class_name_.data();
  class_.fp_first_login_check = [](unsigned long handle, char*, char*, chiscsi_tcp_endpoint*) {
    engine_target_first_login_check_done(handle, 0, 0, instance->max_cmd);
  };
  class_.fp_session_added = [](unsigned long session, unsigned char*, char*,
                               char*) -> unsigned long {
    instance->last_session = session;
    return ++instance->counts.sessions;
  };
  class_.fp_session_removed = [](unsigned long, char*, char*) { ++instance->counts.ended; };
  lun_class_.class_name = lun_class_name_.data();
  lun_class_.property = 1u << LUN_CLASS_SCSI_PASS_THRU_BIT | 1u << LUN_CLASS_HAS_CMD_QUEUE_BIT;
  if (multi_phase) lun_class_.property |= 1u << LUN_CLASS_MULTI_PHASE_DATA_BIT;
  lun_class_.fp_scsi_cmd_cdb_rcved = [](chiscsi_scsi_command* command) {
    return instance->received(command);
  };
  lun_class_.fp_scsi_cmd_data_xfer_status = [](chiscsi_scsi_command* command, unsigned char* list,
                                               unsigned count, unsigned offset, unsigned length) {
    return instance->transferred(command, list, count, offset, length);
  };
  lun_class_.fp_scsi_cmd_abort = [](chiscsi_scsi_command* command) {
    return instance->aborted(command);
  };
  lun_class_.fp_scsi_cmd_abort_status = [](unsigned, unsigned, unsigned, unsigned, unsigned char*,
                                           void*) {};
  lun_class_.fp_tmf_execute = [](unsigned long, unsigned long handle, unsigned char, unsigned char,
                                 unsigned,
                                 chiscsi_scsi_command*) { return instance->manage(handle); };
  lun_class_.fp_scsi_cmd_cleanup = [](chiscsi_scsi_command* command) {
    instance->cleaned_up(command);
  };
  if (const int rc = engine_target_class_register(&class_)) return rc;
  const int rc = engine_target_lun_class_register(&lun_class_, class_name_.c_str());
  if (rc != 0) engine_target_class_deregister(class_name_.c_str());
  return rc;
}

int Storage::add_target(const std::string& name, const std::vector<std::string>& keys) {
  target_name_ = name;
  std::string text;
  for (const std::string& key : keys)
    text.append(key).push_back('\0');
  return engine_target_add(this, name.c_str(), class_name_.c_str(), text.data(),
                           static_cast<int>(text.size()));
}

int Storage::remove_target() { return engine_target_remove(this, target_name_.c_str()); }

int Storage::stop() {
  require(tasks_.empty(), "a command was never cleaned up");
  const int rc = engine_target_lun_class_deregister(lun_class_name_.c_str(), class_name_.c_str());
  const int class_rc = engine_target_class_deregister(class_name_.c_str());
  return rc != 0 ? rc : class_rc;
}

// ---- What the driver says ----

Storage::Task* Storage::nth(size_t n) {
  return tasks_.empty() ? nullptr : tasks_[n % tasks_.size()].get();
}

void Storage::complete(size_t n) {
  if (Task* task = nth(n)) do_complete(*task);
}

void Storage::lend(size_t n, uint32_t bytes) {
  Task* task = nth(n);
  if (task != nullptr && bytes != 0) do_lend(*task, bytes, false);
}

void Storage::end(Task& task) {
  const int rc = engine_scsi_cmd_execution_status(task.command, nullptr, 0, 0, 0);
  require(rc == 0, "the end of a command was refused");
  task.ended = true;
}

// Goes as far as a driver can: lends what is missing, or ends the command.
void Storage::do_complete(Task& task) {
  if (!task.is_open()) return;
  const bool all_lent = task.next_offset >= std::min(task.length, most_lent);
  if (!all_lent) return do_lend(task, most_lent, true);
  if (!task.write || task.loans.empty()) end(task);
}

void Storage::do_lend(Task& task, uint32_t bytes, bool may_cut) {
  if (!task.is_open()) return;
  const uint32_t most = std::min(task.length, most_lent);
  if (task.next_offset >= most) return;
  const uint32_t size =
      multi_phase ? std::min(bytes, most - task.next_offset) : most - task.next_offset;
  const bool cut = task.next_offset + size == most && most < task.length;
  if (cut) {
    if (!may_cut && multi_phase) return;
    __atomic_fetch_or(&task.command->sc_flag, SC_FLAG_XFER_UNDERFLOW, __ATOMIC_RELAXED);
    task.command->sc_xfer_residualcount = task.length - most;
  }
  auto loan = std::make_unique<Loan>(task.next_offset, size, with_pages);
  if (!task.write) loan->fill(task.tag);
  const auto call = task.write ? engine_scsi_cmd_buffer_ready : engine_scsi_cmd_execution_status;
  const int rc = call(task.command, loan->wire_list(), loan->count(), task.next_offset, size);
  if (rc == -ENOMEM && may_be_short_of_memory) return;
  require(rc == 0, "a good list was refused");
  task.next_offset += size;
  task.loans.push_back(std::move(loan));
  if (!task.write) task.ended = cut || !multi_phase || task.next_offset >= task.length;
}

void Storage::fail(size_t n, uint8_t status, uint8_t sense_bytes) {
  Task* task = nth(n);
  if (task == nullptr || !task->is_open()) return;
  task->command->sc_status = status;
  task->command->sc_sense_key = 3;
  task->command->sc_sense_asc = 0x11;
  if (sense_bytes != 0) {
    task->command->sc_sense_buf[0] = 0x70;
    task->command->sc_sense_buf[7] = sense_bytes;
  }
  end(*task);
}

void Storage::abort(size_t n) {
  Task* task = nth(n);
  if (task == nullptr || !task->is_open()) return;
  require(engine_scsi_cmd_abort(task->command) == 0, "an abort by the driver was refused");
  task->ended = true;
}

void Storage::answer_abort(size_t n) {
  if (Task* task = nth(n)) do_answer_abort(*task);
}

void Storage::do_answer_abort(Task& task) {
  if (!task.abort_asked || task.abort_answered) return;
  const bool of_session = (task.command->sc_flag & SC_FLAG_SESS_ABORT) != 0;
  const int rc = of_session ? engine_scsi_cmd_abort_status(task.command)
                            : engine_scsi_cmd_execution_status(task.command, nullptr, 0, 0, 0);
  require(rc == 0, "the answer to an abort was refused");
  task.abort_answered = true;
}

void Storage::call_nonsense(size_t n, uint8_t kind) {
  Task* task = nth(n);
  // Lists of a command without data are not looked at.
  if (task == nullptr || task->length == 0) return;
  chiscsi_scsi_command* command = task->command;
  Loan loan(task->next_offset, 512, false);
  const auto call = task->write ? engine_scsi_cmd_buffer_ready : engine_scsi_cmd_execution_status;
  const auto offer = [&](unsigned count, unsigned offset, unsigned length) {
    return call(command, loan.wire_list(), count, offset, length);
  };
  switch (kind % 6) {
    case 0:
      if (task->is_open()) return;
      require(engine_scsi_cmd_abort(command) < 0, "a late abort was taken");
      return;
    case 1:
      if (!task->is_open()) return;
      require(engine_scsi_cmd_abort_status(command) < 0, "an answer without an abort was taken");
      return;
    case 2:
      if (!task->is_open()) return;
      require(offer(loan.count(), task->next_offset + 1, 512) < 0, "a wrong offset was taken");
      return;
    case 3:
      if (!task->is_open()) return;
      require(offer(loan.count(), task->next_offset, 513) < 0, "a list too short was taken");
      return;
    case 4:
      if (!task->is_open()) return;
      require(offer(0, task->next_offset, 512) < 0, "an empty list was taken");
      return;
    default:
      if (!task->write) {
        require(engine_scsi_cmd_buffer_ready(command, loan.wire_list(), 1, 0, 512) < 0,
                "buffers for a read were taken");
      }
  }
}

void Storage::answer_tmf() {
  if (tmfs_.empty()) return;
  // Refused when the function has ended meanwhile.
  engine_tmf_execution_done(tmfs_.front(), 0, nullptr);
  tmfs_.pop_front();
}

void Storage::answer_everything() {
  on_command = Reply::kComplete;
  on_abort = AbortReply::kAnswer;
  on_tmf = TmfReply::kDone;
  refuse_transfers = false;
  go_on = true;
  while (!tmfs_.empty())
    answer_tmf();
  for (const auto& task : tasks_) {
    do_answer_abort(*task);
    do_complete(*task);
  }
}

// ---- Hooks ----

Storage::Task& Storage::task_of(chiscsi_scsi_command* command, const char* hook) {
  for (const auto& task : tasks_) {
    if (task->command == command) return *task;
  }
  host_contract_broken("storage driver: %s for a command it does not have", hook);
}

int Storage::received(chiscsi_scsi_command* command) {
  for (const auto& task : tasks_)
    require(task->command != command, "a command received twice");
  ++counts.commands;
  const bool write = (command->sc_flag & SC_FLAG_WRITE) != 0;
  tasks_.push_back(
      std::make_unique<Task>(Task{command, command->sc_itt, write, command->sc_xfer_len}));
  Task& task = *tasks_.back();
  switch (on_command) {
    case Reply::kHold:
      return 0;
    case Reply::kComplete:
      do_complete(task);
      return 0;
    case Reply::kLend:
      do_lend(task, 4096, false);
      return 0;
    case Reply::kBusy:
      task.refused = true;
      return -EBUSY;
    case Reply::kError:
      task.refused = true;
      return -EIO;
    case Reply::kCompleteAndError:
      do_complete(task);
      task.refused = true;
      return -EIO;
  }
  return 0;
}

int Storage::transferred(chiscsi_scsi_command* command, unsigned char* list, unsigned count,
                         unsigned offset, unsigned length) {
  Task& task = task_of(command, "fp_scsi_cmd_data_xfer_status");
  ++counts.transfers;
  require(!task.loans.empty(), "a list was given back that is not lent");
  require(!task.abort_asked, "a list was given back after the abort");
  {
    const std::unique_ptr<Loan> loan = std::move(task.loans.front());
    task.loans.pop_front();
    require(loan->wire_list() == list && loan->count() == count && loan->offset == offset &&
                loan->length == length,
            "another list was given back than the oldest one");
    require(!task.write || takes_any_data || loan->is_filled(task.tag),
            "a write list holds wrong data");
  }
  if (refuse_transfers) {
    task.refused = true;
    return -EIO;
  }
  if (go_on) do_complete(task);
  return 0;
}

int Storage::aborted(chiscsi_scsi_command* command) {
  Task& task = task_of(command, "fp_scsi_cmd_abort");
  ++counts.aborts;
  const bool of_session = (command->sc_flag & SC_FLAG_SESS_ABORT) != 0;
  require(!task.abort_asked, "a second abort of a command");
  require(of_session || (command->sc_flag & SC_FLAG_TMF_ABORT) != 0, "an abort without reason");
  require((!task.ended && !task.refused) || (of_session && !task.loans.empty()),
          "an abort of a command that had ended");
  task.abort_asked = true;
  task.loans.clear();
  if (on_abort == AbortReply::kAnswer) do_answer_abort(task);
  if (on_abort != AbortReply::kRefuse) return 0;
  task.abort_answered = true;
  return -EIO;
}

int Storage::manage(unsigned long handle) {
  switch (on_tmf) {
    case TmfReply::kHold:
      tmfs_.push_back(handle);
      return 0;
    case TmfReply::kNotSupported:
      return -EOPNOTSUPP;
    case TmfReply::kError:
      return -EIO;
    default:
      break;
  }
  // As a driver should: first the commands it still has, then the function. Those of other LUNs go
  // as well: a driver may.
  for (const auto& task : tasks_) {
    if (task->is_open() && task->loans.empty()) end(*task);
  }
  engine_tmf_execution_done(handle, 0, nullptr);
  return 0;
}

void Storage::cleaned_up(chiscsi_scsi_command* command) {
  Task& task = task_of(command, "fp_scsi_cmd_cleanup");
  ++counts.cleanups;
  require(task.ended || task.refused || task.abort_answered,
          "cleanup of a command the driver has not ended");
  std::erase_if(tasks_, [&](const auto& entry) { return entry.get() == &task; });
}

}  // namespace chiscsi::simulation
