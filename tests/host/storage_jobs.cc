// SPDX-License-Identifier: GPL-2.0-only
//
// The threads of storage. They start with the first use and stay.
#include "storage_jobs.hh"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "host.hh"

namespace {

constexpr unsigned kThreads = 4;

class Pool {
 public:
  void add(std::function<void()> job) {
    std::unique_lock guard(lock_);
    jobs_.push_back(std::move(job));
    if (threads_.size() < kThreads) threads_.emplace_back([this] { run(); }).detach();
    changed_.notify_one();
  }
  void hold(bool held) {
    std::unique_lock guard(lock_);
    held_ = held;
    changed_.notify_all();
  }

 private:
  void run() {
    std::unique_lock guard(lock_);
    for (;;) {
      changed_.wait(guard, [this] { return !held_ && !jobs_.empty(); });
      auto job = std::move(jobs_.front());
      jobs_.pop_front();
      guard.unlock();
      job();
      job = nullptr;
      guard.lock();
    }
  }
  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  std::vector<std::thread> threads_;
  bool held_ = false;
};

// Never destroyed: the threads outlive main().
Pool& steps() {
  static auto* pool = new Pool;
  return *pool;
}
Pool& devices() {
  static auto* pool = new Pool;
  return *pool;
}

}  // namespace

void host_storage_step(std::function<void()> job) { steps().add(std::move(job)); }
void host_storage_request(std::function<void()> job) { devices().add(std::move(job)); }
void host_storage_pause() { std::this_thread::yield(); }
void host_hold_storage(bool held) { devices().hold(held); }
