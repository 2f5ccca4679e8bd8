// SPDX-License-Identifier: GPL-2.0-only
//
// An engine and one session, on a worker of the test's own and without any connection: what
// commands and the storage driver's calls need around them. What belongs to the worker is done in
// on_worker(); while that runs, messages to the worker wait. The engine is only started, stopped
// and passed on: the sanitizer's checks of virtual calls need type information, which the engine
// is built without.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <utility>

#include "host.hh"
#include "target/engine.hh"
#include "target/session/session.hh"

namespace chiscsi::test {

class SessionFixture : public testing::Test {
 protected:
  SessionFixture() : allocations_before_(host_live_allocations()) {
    const engine_options options = {1, 30, 1, 64};
    EXPECT_EQ(engine_start(&options), 0);
    Result<OwnPtr<Worker>> created = Worker::create("test", OS_ANY_CPU);
    EXPECT_TRUE(created.is_ok());
    worker = created.take();
    parameters.max_commands = 16;
    parameters.max_burst_length = 262144;
    parameters.first_burst_length = 65536;
    parameters.max_outstanding_r2t = 1;
  }
  ~SessionFixture() override {
    // The session ends where it lives.
    if (session) on_worker([this] { session.reset(); });
    settle();
    member.reset();
    target.reset();
    worker.reset();
    engine_stop();
    EXPECT_EQ(host_live_allocations(), allocations_before_);
  }

  // A session, with a target of `hooks` when they are given.
  void make_session(chiscsi_target_lun_class* hooks = nullptr) {
    if (hooks != nullptr) {
      auto target_class = Ref<TargetClass>::adopt(make<TargetClass>(Alloc::kMaySleep));
      target_class->hooks = &class_hooks;
      target_class->lun_classes[0] = hooks;
      target_class->lun_class_count = 1;
      Result<Ref<Target>> made =
          Target::create("iqn.2026-11.org.example:target", this, target_class, {});
      ASSERT_TRUE(made.is_ok());
      target = made.take();
    }
    Result<Ref<Session>> made =
        Session::create(Engine::instance(), *worker, target, parameters, os_address{});
    ASSERT_TRUE(made.is_ok());
    session = made.take();
    member = Ref<Member>::adopt(
        make<Member>(Alloc::kMaySleep, Ref<Session>(), *worker, 0, WorkerMessage::Handle()));
    ASSERT_TRUE(member);
  }

  void on_worker(std::function<void()> work) {
    struct Message : WorkerMessage {
      explicit Message(std::function<void()> w)
          : WorkerMessage(&Message::run), work(std::move(w)) {}
      static void run(WorkerMessage& message) {
        auto& self = static_cast<Message&>(message);
        self.work();
        self.done.set_value();
      }
      std::function<void()> work;
      std::promise<void> done;
    } message(std::move(work));
    worker->post(message);
    message.done.get_future().wait();
  }
  // The worker has handled all that was posted, and what followed from that.
  void settle() {
    for (int i = 0; i < 3; ++i)
      on_worker([] {});
  }

  const uint64_t allocations_before_;
  SessionParameters parameters;
  chiscsi_target_class class_hooks = {};
  OwnPtr<Worker> worker;
  Ref<Target> target;
  Ref<Session> session;
  Ref<Member> member;  // Of a connection that is not there.
};

}  // namespace chiscsi::test
