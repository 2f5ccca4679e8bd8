// SPDX-License-Identifier: GPL-2.0-only
//
// The registrar against servers that lie, babble, hang up and stay silent: one attempt ends in an
// error, the program goes on, and nothing a stranger sends to the callback port does more than its
// two answers.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "isns/registrar.hh"

namespace isns {
namespace {

constexpr auto kPatience = std::chrono::seconds(60);

// A server that answers each request with what a function makes of it; no bytes: it hangs up.
class FakeServer {
 public:
  using Reply = std::function<std::vector<uint8_t>(const Message& request)>;
  explicit FakeServer(Reply reply) : reply_(std::move(reply)) {
    listener_ = Descriptor(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener_.get(), generic, size) != 0 || listen(listener_.get(), 8) != 0 ||
        getsockname(listener_.get(), generic, &size) != 0) {
      abort();
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeServer() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::string name() const { return "127.0.0.1:" + std::to_string(port_); }
  unsigned connections() const { return connections_; }

 private:
  void serve() {
    while (true) {
      Descriptor peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!peer) return;
      ++connections_;
      try {
        serve_one(Stream(std::move(peer)));
      } catch (const std::runtime_error&) {
      }
    }
  }
  void serve_one(Stream stream) {
    while (true) {
      const std::vector<uint8_t> answer = reply_(stream.receive(Clock::now() + kPatience));
      if (answer.empty()) return;
      stream.send(answer, Clock::now() + kPatience);
    }
  }
  Reply reply_;
  Descriptor listener_;
  uint16_t port_ = 0;
  std::atomic<unsigned> connections_{0};
  std::thread thread_;
};

Message answer_to(const Message& request, Status status, std::vector<uint8_t> rest = {}) {
  Message answer;
  answer.function = request.function | kResponseBit;
  answer.flags = Header::kServer;
  answer.transaction = request.transaction;
  answer.payload = Writer().status(status).raw(rest).take();
  return answer;
}

const std::string kOne = "iqn.2026-11.org.example:one", kTwo = "iqn.2026-11.org.example:two";
const std::string kInitiator = "iqn.2026-11.org.example:initiator";

class Host : public TargetHost {
 public:
  std::vector<TargetNode> targets() override {
    if (!is_active) return {};
    Portal portal{};
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &portal.address);
    portal.port = 3260;
    std::vector<TargetNode> nodes;
    for (const std::string& name : names)
      nodes.push_back({name, "", {{1, {portal}}}});
    return nodes;
  }
  void allow(const std::string& target, const std::vector<std::string>& initiators) override {
    allowed[target] = initiators;
  }
  void forget(const std::string& target) override { allowed.erase(target); }
  std::vector<std::string> names = {kOne};
  std::map<std::string, std::vector<std::string>> allowed;
  bool is_active = true;
};

void publish_and_ask(const FakeServer& server, Host* host) {
  Registrar registrar({server.name(), "host", std::chrono::seconds(60)}, *host);
  registrar.publish();
  registrar.ask_who_is_allowed();
}

TEST(HostileServer, RefusalIsAnErrorWithItsReason) {
  FakeServer server([](const Message& request) {
    return answer_to(request, Status::kInvalidRegistration).encode();
  });
  Host host;
  try {
    publish_and_ask(server, &host);
    FAIL() << "no error";
  } catch (const Registry::Refused& refused) {
    EXPECT_EQ(refused.status, Status::kInvalidRegistration);
    EXPECT_NE(std::string(refused.what()).find("invalid registration"), std::string::npos);
  }
}

TEST(HostileServer, WithoutInquiriesTheRegistrationIsTriedAgain) {
  int registrations = 0;
  FakeServer server([&](const Message& request) {
    const bool first = request.function == 1 && ++registrations == 1;
    return answer_to(request, first ? Status::kEsiNotAvailable : Status::kSuccess).encode();
  });
  Host host;
  publish_and_ask(server, &host);
  EXPECT_EQ(registrations, 2);
}

TEST(HostileServer, AnswersToSomethingElseAreRefused) {
  const std::vector<std::function<void(Message&)>> lies = {
      [](Message& answer) { ++answer.transaction; },
      [](Message& answer) { answer.function = 0x8009; },
      [](Message& answer) { answer.function = 1; },
      [](Message& answer) { answer.payload.clear(); },
  };
  for (const auto& lie : lies) {
    FakeServer server([&](const Message& request) {
      Message answer = answer_to(request, Status::kSuccess);
      lie(answer);
      return answer.encode();
    });
    Host host;
    EXPECT_THROW(publish_and_ask(server, &host), ProtocolError);
  }
}

TEST(HostileServer, HangingUpIsANetworkError) {
  FakeServer server([](const Message&) { return std::vector<uint8_t>(); });
  Host host;
  EXPECT_THROW(publish_and_ask(server, &host), NetworkError);
}

// What one node has for a name is no reason to lose the others.
TEST(HostileServer, NamesThatAreNoNamesAreLeftOut) {
  FakeServer server([](const Message& request) {
    std::vector<uint8_t> rest;
    if (request.function == 2) {
      Writer writer;
      writer.delimiter();
      for (const std::string& name : {std::string("iqn.bad name\n"), std::string(300, 'x'),
                                      kInitiator, std::string("iqn.\x7f")})
        writer.text(Tag::kNodeName, name).number(Tag::kNodeType, kNodeInitiator);
      rest = writer.take();
    }
    return answer_to(request, Status::kSuccess, rest).encode();
  });
  Host host;
  publish_and_ask(server, &host);
  EXPECT_EQ(host.allowed[kOne], std::vector<std::string>{kInitiator});
}

// The server has nothing to say about one target: those behind it hear of their initiators, and
// what is wrong is said.
TEST(HostileServer, ARefusedQueryKeepsNoOtherTargetWaiting) {
  unsigned registrations = 0;
  FakeServer server([&](const Message& request) {
    if (request.function == 1) ++registrations;
    if (request.function != 2) return answer_to(request, Status::kSuccess).encode();
    if (parse_attributes(request.payload).front().text() == kOne)
      return answer_to(request, Status::kNotSupported).encode();
    const auto names = Writer().delimiter().text(Tag::kNodeName, kInitiator).take();
    return answer_to(request, Status::kSuccess, names).encode();
  });
  Host host;
  host.names = {kOne, kTwo};
  host.allowed[kOne] = {"before"};
  Registrar registrar({server.name(), "host", std::chrono::seconds(60)}, host);
  testing::internal::CaptureStderr();
  registrar.publish();
  EXPECT_FALSE(registrar.ask_who_is_allowed());
  EXPECT_FALSE(registrar.ask_who_is_allowed());
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "chisns: " + kOne + ": query: the server says: message not supported (15)\n");
  EXPECT_EQ(host.allowed[kOne], std::vector<std::string>{"before"});
  EXPECT_EQ(host.allowed[kTwo], std::vector<std::string>{kInitiator});
  EXPECT_EQ(registrations, 1u);
}

// The loop as a whole: no second connection, and no end of the trouble is told of.
TEST(HostileServer, ARefusedQueryKeepsTheConnection) {
  FakeServer server([](const Message& request) {
    return answer_to(request, request.function == 2 ? Status::kNotSupported : Status::kSuccess)
        .encode();
  });
  Host host;
  Registrar registrar({server.name(), "host", std::chrono::seconds(60)}, host);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const Descriptor stop(ends[0]), tell(ends[1]);
  ASSERT_EQ(write(tell.get(), "x", 1), 1);
  testing::internal::CaptureStderr();
  registrar.run(stop.get(), -1);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "chisns: " + kOne + ": query: the server says: message not supported (15)\n");
  EXPECT_EQ(server.connections(), 1u);
}

TEST(HostileServer, NoiseIsAnErrorAndNothingElse) {
  std::mt19937 random(1);
  FakeServer server([&](const Message& request) {
    std::vector<uint8_t> bytes =
        answer_to(request, Status::kSuccess, {0, 0, 0, 32, 0, 0, 0, 4}).encode();
    for (int i = 0; i < 3; ++i)
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    // The PDU is whole and the last one, so that nobody waits for more.
    bytes[6] = 0x4c;
    bytes[4] = 0;
    bytes[5] = static_cast<uint8_t>(bytes.size() - kHeaderSize);
    return bytes;
  });
  for (int round = 0; round < 200; ++round) {
    Host host;
    try {
      publish_and_ask(server, &host);
    } catch (const std::runtime_error&) {
    }
  }
}

// A server that hangs up instead of answering one request, notes the functions that it was asked
// for, and says how many of one it has answered.
class ShakyServer {
 public:
  explicit ShakyServer(Function hangs_up_at) : hangs_up_at_(hangs_up_at) {}
  std::string name() const { return server_.name(); }
  unsigned answered(Function function) const {
    const std::lock_guard guard(lock_);
    const auto count = answered_.find(static_cast<uint16_t>(function));
    return count == answered_.end() ? 0 : count->second;
  }

 private:
  std::vector<uint8_t> answer(const Message& request) {
    const std::lock_guard guard(lock_);
    if (request.function == static_cast<uint16_t>(hangs_up_at_) && !has_hung_up_) {
      has_hung_up_ = true;
      return {};
    }
    ++answered_[request.function];
    return answer_to(request, Status::kSuccess).encode();
  }

  const Function hangs_up_at_;
  mutable std::mutex lock_;
  bool has_hung_up_ = false;
  std::map<uint16_t, unsigned> answered_;
  FakeServer server_{[this](const Message& request) { return answer(request); }};
};

RegistrarOptions options_for(const ShakyServer& server) {
  return {server.name(), "host", std::chrono::seconds(60)};
}

TEST(ShakyServers, WhatWasRegisteredIsTakenAwayOverANewConnection) {
  ShakyServer server(Function::kDeregister);
  Host host;
  Registrar registrar(options_for(server), host);
  registrar.publish();
  registrar.deregister();
  EXPECT_EQ(server.answered(Function::kDeregister), 1u);
  // Once is enough.
  registrar.deregister();
  EXPECT_EQ(server.answered(Function::kDeregister), 1u);
}

TEST(ShakyServers, ARegistrationWithoutAnAnswerIsTakenAwayAsWell) {
  ShakyServer server(Function::kRegister);
  Host host;
  Registrar registrar(options_for(server), host);
  EXPECT_THROW(registrar.publish(), NetworkError);
  host.is_active = false;
  registrar.publish();
  EXPECT_EQ(server.answered(Function::kRegister), 0u);
  EXPECT_EQ(server.answered(Function::kDeregister), 1u);
}

// The loop as a whole: trouble, then its end.
TEST(ShakyServers, TheEndDeregistersAfterTrouble) {
  ShakyServer server(Function::kQuery);
  Host host;
  Registrar registrar(options_for(server), host);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const Descriptor stop(ends[0]), tell(ends[1]);
  ASSERT_EQ(write(tell.get(), "x", 1), 1);
  registrar.run(stop.get(), -1);
  EXPECT_EQ(server.answered(Function::kRegister), 1u);
  EXPECT_EQ(server.answered(Function::kDeregister), 1u);
}

// A stranger on the callback port.
Stream knock(Callbacks& callbacks) {
  Endpoint endpoint = resolve("127.0.0.1", callbacks.port());
  return Stream::connect(endpoint, Clock::now() + kPatience);
}

TEST(HostileCaller, ManySilentOnesDoNotKeepTheServerOut) {
  Host host;
  Registrar registrar({"127.0.0.1:1", "host", std::chrono::seconds(60)}, host);
  Callbacks& callbacks = registrar.callbacks();
  std::vector<Stream> silent;
  for (int i = 0; i < 100; ++i) {
    silent.push_back(knock(callbacks));
    callbacks.serve();
  }
  std::vector<pollfd> waits;
  callbacks.add_waits(&waits);
  EXPECT_LE(waits.size(), 17u);

  Stream server = knock(callbacks);
  Message change;
  change.function = static_cast<uint16_t>(Function::kStateChange);
  change.transaction = 9;
  change.payload = Writer().text(Tag::kNodeName, "iqn.a").take();
  server.send(change.encode(), Clock::now() + kPatience);
  bool notified = false;
  while (!notified) {
    waits.clear();
    callbacks.add_waits(&waits);
    ASSERT_GT(poll(waits.data(), waits.size(), 60'000), 0);
    notified = callbacks.serve();
  }
  EXPECT_EQ(server.receive(Clock::now() + kPatience).function, 0x8008);
}

// While the server is down nobody else's notification passes for its return.
TEST(HostileCaller, ANotificationIsNoSignOfTheServer) {
  Host host;
  Registrar registrar({"127.0.0.1:1", "host", std::chrono::seconds(60)}, host);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const Descriptor stop(ends[0]), tell(ends[1]);
  testing::internal::CaptureStderr();
  std::thread loop([&] { registrar.run(stop.get(), -1); });
  Stream stranger = knock(registrar.callbacks());
  Message change;
  change.function = static_cast<uint16_t>(Function::kStateChange);
  change.payload = Writer().text(Tag::kNodeName, "iqn.a").take();
  stranger.send(change.encode(), Clock::now() + kPatience);
  EXPECT_EQ(stranger.receive(Clock::now() + kPatience).function, 0x8008);
  EXPECT_EQ(write(tell.get(), "x", 1), 1);
  loop.join();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("chisns: "), std::string::npos);
  EXPECT_EQ(said.find("answers again"), std::string::npos) << said;
}

TEST(HostileCaller, NoiseClosesTheConnection) {
  Host host;
  Registrar registrar({"127.0.0.1:1", "host", std::chrono::seconds(60)}, host);
  Callbacks& callbacks = registrar.callbacks();
  Stream stranger = knock(callbacks);
  const std::string noise = "GET / HTTP/1.0\r\n\r\n";
  stranger.send({reinterpret_cast<const uint8_t*>(noise.data()), noise.size()},
                Clock::now() + kPatience);
  // The listener becomes readable, then the stranger; afterwards nobody is there any more.
  for (bool accepted = false; !accepted || callbacks.next_deadline();) {
    std::vector<pollfd> waits;
    callbacks.add_waits(&waits);
    ASSERT_GT(poll(waits.data(), waits.size(), 60'000), 0);
    callbacks.serve();
    accepted = true;
  }
  EXPECT_THROW(stranger.receive(Clock::now() + kPatience), NetworkError);
}

}  // namespace
}  // namespace isns
