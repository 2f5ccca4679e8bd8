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

void drain(int socket) {
  std::array<char, 64> byte;
  while (recv(socket, byte.data(), byte.size(), MSG_DONTWAIT) >= 0) {
  }
}

}  // namespace

Registrar::Registrar(RegistrarOptions options, TargetHost& host)
    : options_(std::move(options)), host_(host) {}

void Registrar::publish() {
  const std::vector<TargetNode> targets = host_.targets();
  if (targets.empty()) return deregister();
  if (!registry_) {
    registry_ = std::make_unique<Registry>(resolve(options_.server, kServerPort), options_.entity,
                                           callbacks_.port());
    published_.clear();
  }
  for (const TargetNode& old : published_) {
    if (!has_node(targets, old.name)) registry_->remove_node(old.name, old.name);
  }
  // Said again each time: it keeps the registration alive, and a server that was restarted learns
  // it.
  const auto period = static_cast<uint32_t>(options_.query.count()) * kMissedQueries;
  published_.clear();
  registry_->publish(targets, std::max(period, kMinPeriod));
  published_ = targets;
}

void Registrar::ask_who_is_allowed() {
  last_query_ = Clock::now();
  for (const TargetNode& target : published_)
    host_.allow(target.name, registry_->initiators_of(target.name));
}

void Registrar::deregister() {
  if (registry_ && !published_.empty()) registry_->remove_entity(published_.front().name);
  published_.clear();
}

void Registrar::report(const std::string& trouble) {
  if (trouble != last_trouble_) std::fprintf(stderr, "chisns: %s\n", trouble.c_str());
  last_trouble_ = trouble;
}

// A connection that had trouble is given up. The server keeps nothing in it.
bool Registrar::attempt(bool publishing) {
  try {
    if (publishing) publish();
    ask_who_is_allowed();
    if (!last_trouble_.empty()) std::fprintf(stderr, "chisns: the server answers again\n");
    last_trouble_.clear();
    pause_ = std::chrono::seconds(1);
    return true;
  } catch (const std::runtime_error& error) {
    report(error.what());
    registry_.reset();
    published_.clear();
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
    } else if (!attempt(false)) {
      next = next_publication(false);
    }
  }
  try {
    deregister();
  } catch (const std::runtime_error& error) {
    report(error.what());
  }
}

}  // namespace isns
