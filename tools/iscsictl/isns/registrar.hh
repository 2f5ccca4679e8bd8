// SPDX-License-Identifier: GPL-2.0-only
//
// Registrar: keeps an iSNS server informed of the active targets, and the targets of the initiators
// that the server's discovery domains allow.
//
// It compares what it has registered with what there is whenever somebody says that something has
// changed, and once per query interval. Trouble with the server is reported once and tried again
// later, with growing pauses; it never ends the program.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "isns/callbacks.hh"
#include "isns/registry.hh"

namespace isns {

// The target host, as far as iSNS is concerned.
class TargetHost {
 public:
  virtual ~TargetHost() = default;
  // The active targets that want to be registered.
  virtual std::vector<TargetNode> targets() = 0;
  // The initiators that the server allows for a target; sorted, each once.
  virtual void allow(const std::string& target, const std::vector<std::string>& initiators) = 0;
  // The server has no say about the target any more.
  virtual void forget(const std::string& target) = 0;
};

struct RegistrarOptions {
  std::string server;  // As resolve() takes it.
  std::string entity;
  std::chrono::seconds query{60};
};

inline constexpr uint16_t kServerPort = 3205;

class Registrar {
 public:
  // Throws NetworkError when it cannot listen.
  Registrar(RegistrarOptions options, TargetHost& host);

  // Works until `stop_fd` becomes readable, then deregisters. `wake_fd`, a datagram socket or -1:
  // a datagram there says that targets have changed.
  void run(int stop_fd, int wake_fd);

  // The two steps of run(): registers what there is, and asks who is allowed. Throw as Registry
  // does. They are apart because our own registration is a change that the server notifies us of.
  // The second one is false after it has reported that the server refuses to speak about a target,
  // whose list stays as it is; the others are asked for all the same.
  void publish();
  bool ask_who_is_allowed();
  void deregister();
  Callbacks& callbacks() { return callbacks_; }

 private:
  bool attempt(bool publishing);
  void connect();
  void remove_entity();
  void forget_all_but(const std::vector<TargetNode>& targets);
  Clock::time_point next_publication(bool well) const;
  void report(const std::string& trouble);
  // What has happened first.
  enum class Event { kStop, kChanged, kNotified };
  Event wait(int stop_fd, int wake_fd, Clock::time_point until);

  RegistrarOptions options_;
  TargetHost& host_;
  Callbacks callbacks_;
  std::unique_ptr<Registry> registry_;
  std::set<std::string> published_;  // What the server may know, until it has confirmed the end.
  std::set<std::string> told_;       // Of these the host has a list, whatever became of the server.
  std::string last_trouble_;
  std::chrono::seconds pause_{1};
  Clock::time_point last_query_{};
};

}  // namespace isns
