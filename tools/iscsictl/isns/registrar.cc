// SPDX-License-Identifier: GPL-2.0-only
//
// The registrar's loop. See registrar.hh.
#include "isns/registrar.hh"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace isns {

namespace {

// Registrations live for three query intervals: two may be missed.
constexpr uint32_t kMissedQueries = 3;
constexpr uint32_t kMinPeriod = 60;
constexpr std::chrono::seconds kMaxPause{60};
constexpr std::chrono::seconds kQueryPause{1};

bool has_node(const std::vector<TargetNode>& nodes, const std::string& name) {
  return std::any_of(nodes.begin(), nodes.end(),
                     [&](const TargetNode& node) { return node.name == name; });
}

// Takes something away from the server. False when it did not have it.
template <typename Remove>
bool if_known(Remove remove) {
  try {
    remove();
    return true;
  } catch (const Registry::Refused& refused) {
    if (refused.status != Status::kSourceUnknown && refused.status != Status::kNoSuchEntry) throw;
    return false;
  }
}

void drain(int socket) {
  std::array<char, 64> byte;
  while (recv(socket, byte.data(), byte.size(), MSG_DONTWAIT) >= 0) {
  }
}

}  // namespace

Registrar::Registrar(RegistrarOptions options, TargetHost& host)
    : options_(std::move(options)), host_(host) {}

void Registrar::connect() {
  if (registry_) return;
  registry_ = std::make_unique<Registry>(resolve(options_.server, kServerPort), options_.entity,
                                         callbacks_.port());
}

void Registrar::publish() {
  const std::vector<TargetNode> targets = host_.targets();
  forget_all_but(targets);
  if (targets.empty()) return deregister();
  connect();
  for (auto name = published_.begin(); name != published_.end();) {
    if (has_node(targets, *name)) {
      ++name;
      continue;
    }
    if_known([&] { registry_->remove_node(*name, *name); });
    name = published_.erase(name);
  }
  // Noted before it is said: the server may know of it although its answer was lost.
  for (const TargetNode& target : targets)
    published_.insert(target.name);
  // Said again each time: it keeps the registration alive, and a server that was restarted learns
  // it.
  const auto period = static_cast<uint32_t>(options_.query.count()) * kMissedQueries;
  registry_->publish(targets, std::max(period, kMinPeriod));
}

bool Registrar::ask_who_is_allowed() {
  last_query_ = Clock::now();
  std::string trouble;
  for (const std::string& name : published_) {
    try {
      host_.allow(name, registry_->initiators_of(name));
      told_.insert(name);
    } catch (const Registry::Refused& refused) {
      if (trouble.empty()) trouble = name + ": " + refused.what();
    }
  }
  if (!trouble.empty()) report(trouble);
  return trouble.empty();
}

void Registrar::forget_all_but(const std::vector<TargetNode>& targets) {
  for (auto name = told_.begin(); name != told_.end();) {
    if (has_node(targets, *name)) {
      ++name;
      continue;
    }
    host_.forget(*name);
    name = told_.erase(name);
  }
}

// The server takes the request from a node that it knows, and after trouble nobody can say which of
// ours these are.
void Registrar::remove_entity() {
  for (const std::string& name : published_) {
    if (if_known([&] { registry_->remove_entity(name); })) return;
  }
}

// What the server has said ends with the registration, also when the server cannot be told. What it
// knows is kept until it has confirmed that; a connection that has died meanwhile is made anew
// once.
void Registrar::deregister() {
  forget_all_but({});
  if (published_.empty()) return;
  const bool is_fresh = !registry_;
  connect();
  try {
    remove_entity();
  } catch (const NetworkError&) {
    registry_.reset();
    if (is_fresh) throw;
    connect();
    remove_entity();
  }
  published_.clear();
}

void Registrar::report(const std::string& trouble) {
  if (trouble != last_trouble_) std::fprintf(stderr, "chisns: %s\n", trouble.c_str());
  last_trouble_ = trouble;
}

// A connection that had trouble is given up. What the server may know by it stays noted. One query
// that was refused is no trouble of the connection, but it may mean that the registration is lost.
bool Registrar::attempt(bool publishing) {
  try {
    if (publishing) publish();
    if (!ask_who_is_allowed()) {
      pause_ = std::min(pause_ * 2, kMaxPause);
      return false;
    }
    if (!last_trouble_.empty()) std::fprintf(stderr, "chisns: the server answers again\n");
    last_trouble_.clear();
    pause_ = std::chrono::seconds(1);
    return true;
  } catch (const std::runtime_error& error) {
    report(error.what());
    registry_.reset();
    pause_ = std::min(pause_ * 2, kMaxPause);
    return false;
  }
}

Clock::time_point Registrar::next_publication(bool well) const {
  return Clock::now() + (well ? options_.query : std::min(pause_, options_.query));
}

Registrar::Event Registrar::wait(int stop_fd, int wake_fd, Clock::time_point until) {
  bool notified = false;
  while (true) {
    std::vector<pollfd> waits{{stop_fd, POLLIN, 0}, {wake_fd, POLLIN, 0}};
    callbacks_.add_waits(&waits);
    // Strangers can notify us as well, so it is answered by one query per second at most.
    const auto due = notified ? std::min(until, last_query_ + kQueryPause) : until;
    const auto deadline = std::min(due, callbacks_.next_deadline().value_or(due));
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    const int ready = poll(waits.data(), waits.size(),
                           static_cast<int>(std::clamp<int64_t>(left.count(), 0, 3'600'000)));
    if (ready > 0 && waits[0].revents != 0) return Event::kStop;
    const bool woken = ready > 0 && waits[1].revents != 0;
    if (woken) drain(wake_fd);
    notified = callbacks_.serve() || notified;
    if (woken || Clock::now() >= until) return Event::kChanged;
    if (notified && Clock::now() >= last_query_ + kQueryPause) return Event::kNotified;
  }
}

void Registrar::run(int stop_fd, int wake_fd) {
  Clock::time_point next = next_publication(attempt(true));
  while (true) {
    const Event event = wait(stop_fd, wake_fd, next);
    if (event == Event::kStop) break;
    if (event == Event::kChanged) {
      next = next_publication(attempt(true));
    } else if (registry_ && !attempt(false)) {
      // Without a connection it was no server of ours that has notified us.
      // Whoever notifies without end shall not keep us from registering.
      next = std::min(next, next_publication(false));
    }
  }
  try {
    deregister();
  } catch (const std::runtime_error& error) {
    report(error.what());
  }
}

}  // namespace isns
