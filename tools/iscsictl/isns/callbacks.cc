// SPDX-License-Identifier: GPL-2.0-only
//
// Inquiries and notifications of the server. See callbacks.hh.
#include "isns/callbacks.hh"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace isns {

namespace {

constexpr size_t kMaxPeers = 16;
constexpr auto kIdle = std::chrono::seconds(30);
constexpr auto kAnswerTime = std::chrono::milliseconds(200);

[[noreturn]] void fail(const char* what) {
  throw NetworkError(std::string(what) + ": " + std::strerror(errno));
}

// A socket for both families, or for IPv4 where the host has no other.
Descriptor make_listener() {
  Descriptor six(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int off = 0;
  sockaddr_in6 any6{};
  any6.sin6_family = AF_INET6;
  if (six && setsockopt(six.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0 &&
      bind(six.get(), reinterpret_cast<const sockaddr*>(&any6), sizeof(any6)) == 0) {
    return six;
  }
  Descriptor four(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in any4{};
  any4.sin_family = AF_INET;
  if (!four || bind(four.get(), reinterpret_cast<const sockaddr*>(&any4), sizeof(any4)) != 0) {
    fail("callback port");
  }
  return four;
}

}  // namespace

Callbacks::Callbacks() : listener_(make_listener()) {
  if (listen(listener_.get(), kMaxPeers) != 0) fail("callback port");
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  if (getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    fail("callback port");
  }
  port_ = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                                            : reinterpret_cast<const sockaddr_in&>(bound).sin_port);
}

void Callbacks::add_waits(std::vector<pollfd>* waits) const {
  waits->push_back({listener_.get(), POLLIN, 0});
  for (const Peer& peer : peers_)
    waits->push_back({peer.stream.fd(), POLLIN, 0});
}

std::optional<Clock::time_point> Callbacks::next_deadline() const {
  const auto first =
      std::min_element(peers_.begin(), peers_.end(),
                       [](const Peer& a, const Peer& b) { return a.deadline < b.deadline; });
  if (first == peers_.end()) return std::nullopt;
  return first->deadline;
}

// The oldest makes room: a silent stranger must not keep the server out.
void Callbacks::accept_all() {
  while (true) {
    Descriptor socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) return;
    if (peers_.size() == kMaxPeers) peers_.pop_front();
    peers_.push_back({Stream(std::move(socket)), Clock::now() + kIdle});
  }
}

bool Callbacks::serve() {
  bool notified = false;
  accept_all();
  peers_.remove_if([&](Peer& peer) {
    try {
      return !serve_peer(peer, &notified) || Clock::now() >= peer.deadline;
    } catch (const std::runtime_error&) {
      return true;
    }
  });
  return notified;
}

bool Callbacks::serve_peer(Peer& peer, bool* notified) {
  const bool open = peer.stream.read_some();
  while (std::optional<Message> request = peer.stream.next()) {
    const std::optional<Message> answer = answer_callback(*request);
    if (!answer) return false;
    if (request->function == static_cast<uint16_t>(Function::kStateChange)) *notified = true;
    peer.stream.send(answer->encode(), Clock::now() + kAnswerTime);
    peer.deadline = Clock::now() + kIdle;
  }
  return open;
}

std::optional<Message> answer_callback(const Message& request) {
  const bool inquiry = request.function == static_cast<uint16_t>(Function::kStatusInquiry);
  const bool change = request.function == static_cast<uint16_t>(Function::kStateChange);
  if (!inquiry && !change) return std::nullopt;
  const std::vector<Attribute> attributes = parse_attributes(request.payload);
  Writer writer;
  writer.status(Status::kSuccess);
  if (inquiry) {
    writer.raw(request.payload);
  } else {
    if (attributes.empty() || attributes.front().tag != Tag::kNodeName) return std::nullopt;
    writer.text(Tag::kNodeName, attributes.front().text());
  }
  Message answer;
  answer.function = request.function | kResponseBit;
  answer.flags = Header::kClient;
  answer.transaction = request.transaction;
  answer.payload = writer.take();
  return answer;
}

}  // namespace isns
