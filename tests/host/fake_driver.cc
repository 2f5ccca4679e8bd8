// SPDX-License-Identifier: GPL-2.0-only
//
// The fake driver's life, its thread, its notes and its hooks; see fake_driver.hh. What it does
// with commands is in fake_driver_commands.cc.
#include "fake_driver.hh"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "host.hh"

namespace chiscsi::test {

namespace {

constexpr std::chrono::seconds kLimit(60);

FakeDriver* instance = nullptr;

std::string text_of(const char* text) { return text == nullptr ? "(null)" : text; }

}  // namespace

// ---- Life ----

FakeDriver::FakeDriver() {
  instance = this;
  disks_.assign(kLuns, std::vector<uint8_t>(size_t{kBlock} * kBlocks));
}

FakeDriver::~FakeDriver() { instance = nullptr; }

FakeDriver& FakeDriver::self() { return *instance; }

int FakeDriver::start() {
  class_.class_name = class_name_.data();
  lun_class_.class_name = lun_class_name_.data();
  if (with_login_hooks) set_up_login_hooks();
  set_up_command_hooks();
  thread_ = std::thread([this] { run_thread(); });
  if (const int rc = chiscsi_target_class_register(&class_)) return rc;
  return chiscsi_target_lun_class_register(&lun_class_, class_name_.data());
}

namespace {
std::string config_text(const std::vector<std::string>& keys) {
  std::string text;
  for (const std::string& key : keys)
    text.append(key).push_back('\0');
  return text;
}
}  // namespace

int FakeDriver::add_target(const std::string& name, const std::vector<std::string>& keys) {
  std::string target = name;
  std::string text = config_text(keys);
  return chiscsi_target_add(this, target.data(), class_name_.data(), text.data(),
                            static_cast<int>(text.size()));
}

int FakeDriver::reconfigure_target(const std::string& name, const std::vector<std::string>& keys) {
  std::string target = name;
  std::string text = config_text(keys);
  return chiscsi_target_reconfig(this, target.data(), class_name_.data(), text.data(),
                                 static_cast<int>(text.size()));
}

int FakeDriver::remove_target(const std::string& name) {
  std::string target = name;
  return chiscsi_target_remove(this, target.data());
}

int FakeDriver::stop() {
  const auto deadline = std::chrono::steady_clock::now() + kLimit;
  int rc = 0;
  do {
    rc = chiscsi_target_lun_class_deregister(lun_class_name_.data(), class_name_.data());
    if (rc == -EBUSY) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  } while (rc == -EBUSY && std::chrono::steady_clock::now() < deadline);
  const int class_rc = chiscsi_target_class_deregister(class_name_.data());
  {
    std::lock_guard guard(work_lock_);
    ending_ = true;
  }
  work_changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (commands_alive() != 0) violate("commands were never cleaned up");
  return rc != 0 ? rc : class_rc;
}

// ---- What happened ----

void FakeDriver::note(const std::string& call) {
  Guard guard(lock_);
  calls_.push_back(call);
  changed_.notify_all();
}

void FakeDriver::violate(const std::string& what) {
  Guard guard(lock_);
  violations_.push_back(what);
}

std::vector<std::string> FakeDriver::calls() const {
  Guard guard(lock_);
  return calls_;
}

size_t FakeDriver::count(const std::string& prefix) const {
  Guard guard(lock_);
  return static_cast<size_t>(std::count_if(calls_.begin(), calls_.end(), [&](const auto& call) {
    return call.compare(0, prefix.size(), prefix) == 0;
  }));
}

bool FakeDriver::wait_for(const std::string& prefix, size_t times) {
  std::unique_lock guard(lock_);
  return changed_.wait_for(guard, kLimit, [&] { return count(prefix) >= times; });
}

size_t FakeDriver::commands_alive() const {
  Guard guard(lock_);
  return tasks_.size();
}

std::vector<std::string> FakeDriver::violations() const {
  Guard guard(lock_);
  return violations_;
}

std::vector<uint8_t> FakeDriver::content(unsigned lun, uint64_t offset, size_t size) const {
  Guard guard(lock_);
  const auto begin = disks_[lun].begin() + static_cast<long>(offset);
  return {begin, begin + static_cast<long>(size)};
}

void FakeDriver::set_content(unsigned lun, uint64_t offset, const std::vector<uint8_t>& data) {
  Guard guard(lock_);
  std::copy(data.begin(), data.end(), disks_[lun].begin() + static_cast<long>(offset));
}

// ---- The driver's thread ----

void FakeDriver::later(std::function<void()> work) {
  if (answers == Answers::kInline) {
    work();
    return;
  }
  {
    std::lock_guard guard(work_lock_);
    work_.push_back(std::move(work));
  }
  work_changed_.notify_one();
}

void FakeDriver::run_thread() {
  std::unique_lock guard(work_lock_);
  for (;;) {
    work_changed_.wait(guard, [this] { return ending_ || !work_.empty(); });
    if (work_.empty()) return;
    auto work = std::move(work_.front());
    work_.pop_front();
    guard.unlock();
    if (answers == Answers::kSoftirq) {
      HostAtomicSection softirq;
      work();
    } else {
      work();
    }
    work = nullptr;
    guard.lock();
  }
}

// ---- Hooks of the target class ----

void FakeDriver::answer_login_check(unsigned long handle) {
  const uint16_t status = login_status;
  chiscsi_target_first_login_check_done(handle, static_cast<unsigned char>(status >> 8),
                                        static_cast<unsigned char>(status), max_cmd);
}

void FakeDriver::answer_logins() {
  std::deque<unsigned long> waiting;
  {
    Guard guard(lock_);
    waiting.swap(unanswered_logins_);
  }
  for (const unsigned long handle : waiting)
    answer_login_check(handle);
}

void FakeDriver::set_up_login_hooks() {
  class_.fp_first_login_check = [](unsigned long handle, char* initiator, char*,
                                   chiscsi_tcp_endpoint*) {
    const bool answers = self().answer_login;
    if (!answers) {
      Guard guard(self().lock_);
      self().unanswered_logins_.push_back(handle);
    }
    self().note("first_login " + text_of(initiator));  // Who waits for that may answer at once.
    if (answers) self().later([handle] { self().answer_login_check(handle); });
  };
  class_.fp_login_stage_check = [](unsigned long handle, unsigned char stage, char*, char*,
                                   chiscsi_tcp_endpoint*) {
    self().note("stage " + std::to_string(stage));
    if (!self().answer_stage) return;
    self().later([handle] {
      const uint16_t status = self().stage_status;
      chiscsi_target_login_stage_check_done(handle, static_cast<unsigned char>(status >> 8),
                                            static_cast<unsigned char>(status));
    });
  };
  class_.fp_chap_info_get = [](char*, char*, chap_info* chap) {
    FakeDriver& driver = self();
    driver.note("chap " + std::string(reinterpret_cast<char*>(chap->remote_name)));
    const auto put = [](const std::string& text, unsigned char* to, unsigned char* length) {
      memcpy(to, text.data(), text.size());
      *length = static_cast<unsigned char>(text.size());
    };
    if (!driver.initiator_secret.empty()) {
      put(driver.initiator_secret, chap->remote_secret, &chap->remote_secret_length);
      chap->flag |= CHAP_FLAG_REMOTE_SECRET_VALID;
    }
    if (!driver.target_secret.empty()) {
      put(driver.target_secret, chap->local_secret, &chap->local_secret_length);
      memcpy(chap->local_name, driver.target_chap_name.c_str(), driver.target_chap_name.size() + 1);
      chap->flag |= CHAP_FLAG_LOCAL_SECRET_VALID | CHAP_FLAG_LOCAL_NAME_VALID;
    }
    if (driver.mutual_required) chap->flag |= CHAP_FLAG_MUTUAL_REQUIRED;
  };
  class_.fp_discovery_target_accessible = [](unsigned long, char*, char*,
                                             chiscsi_tcp_endpoint*) -> int {
    self().note("accessible");
    return self().hide_targets ? 0 : 1;
  };
  if (!on_redirect) return;
  class_.fp_select_redirection_portal = [](char* target, char* initiator,
                                           chiscsi_tcp_endpoint* endpoints) -> int {
    self().note("redirect " + text_of(initiator));
    return self().on_redirect(text_of(target), text_of(initiator), endpoints);
  };
}

// ---- Hooks of sessions and of the LUN class ----

void FakeDriver::set_up_command_hooks() {
  class_.fp_session_added = [](unsigned long session, unsigned char*, char* initiator,
                               char*) -> unsigned long {
    FakeDriver& driver = self();
    if (driver.on_session_added) driver.on_session_added(session);
    Guard guard(driver.lock_);
    driver.last_session_ = session;
    driver.note("session_added " + text_of(initiator));
    return 0xc0ffee00 + ++driver.sessions_added_;
  };
  class_.fp_session_removed = [](unsigned long session, char* initiator, char*) {
    if (self().on_session_removed) self().on_session_removed(session);
    self().note("session_removed " + text_of(initiator));
  };
  lun_class_.property = 1u << LUN_CLASS_SCSI_PASS_THRU_BIT | 1u << LUN_CLASS_MULTI_PHASE_DATA_BIT |
                        1u << LUN_CLASS_HAS_CMD_QUEUE_BIT;
  lun_class_.fp_scsi_cmd_cdb_rcved = [](chiscsi_scsi_command* command) {
    return self().received(command);
  };
  lun_class_.fp_scsi_cmd_data_xfer_status = [](chiscsi_scsi_command* command, unsigned char*,
                                               unsigned, unsigned offset, unsigned length) {
    if (self().on_transferred) self().on_transferred(command);
    return self().transferred(command, offset, length);
  };
  lun_class_.fp_scsi_cmd_abort = [](chiscsi_scsi_command* command) {
    return self().aborted(command);
  };
  lun_class_.fp_scsi_cmd_abort_status = [](unsigned, unsigned, unsigned, unsigned count,
                                           unsigned char*, void* task) {
    self().abort_status(*static_cast<Task*>(task), count);
  };
  lun_class_.fp_tmf_execute = [](unsigned long session, unsigned long handle, unsigned char,
                                 unsigned char function, unsigned lun,
                                 chiscsi_scsi_command* command) {
    return self().manage({session, handle, function, lun, command});
  };
  lun_class_.fp_scsi_cmd_cleanup = [](chiscsi_scsi_command* command) {
    self().cleaned_up(command);
  };
}

}  // namespace chiscsi::test
