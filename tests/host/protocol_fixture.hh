// SPDX-License-Identifier: GPL-2.0-only
//
// The fixture of the protocol tests: an engine in this process, a FakeDriver with one target on a
// loop-back port of its own, and the check that everything was given back at the end. A test sets
// `keys`, `options` and the driver's script in its constructor or before it calls start().
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine_fixture.hh"
#include "fake_driver.hh"

namespace chiscsi::test {

class ProtocolTest : public EngineTest {
 protected:
  ProtocolTest();
  void TearDown() override;

  // Starts engine, driver and target. TearDown() ends what was started.
  void start();
  // A key of the target, instead of the one with that name which is there.
  void set_key(const std::string& key, const std::string& value);
  std::vector<std::string> target_keys() const;
  // Removes the target before TearDown() does.
  void remove_target();

  // start() and log_in() in one.
  std::unique_ptr<Initiator> start_and_log_in(const LoginOptions& login = {});
  // The driver has answered an abort and the session's worker has made of that what it makes: it
  // has been round once more since, for two requests were answered after each other.
  void await_answer_to_abort(Initiator& initiator);

  KeyList keys;
  FakeDriver driver;

 private:
  bool driver_runs_ = false;
  bool target_added_ = false;
};

}  // namespace chiscsi::test
