// SPDX-License-Identifier: GPL-2.0-only
//
// The registrar against servers that lie, babble, hang up and stay silent: one attempt ends in an
// error, the program goes on, and nothing a stranger sends to the callback port does more than its
// two answers.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
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

 private:
  void serve() {
    while (true) {
      Descriptor peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!peer) return;
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

class Host : public TargetHost {
 public:
  std::vector<TargetNode> targets() override {
    Portal portal{};
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &portal.address);
    portal.port = 3260;
    return {{"iqn.2026-11.org.example:one", "", {{1, {portal}}}}};
  }
  void allow(const std::string&, const std::vector<std::string>& initiators) override {
    allowed = initiators;
  }
  std::vector<std::string> allowed;
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

TEST(HostileServer, NamesThatAreNoNamesAreRefused) {
  FakeServer server([](const Message& request) {
    std::vector<uint8_t> rest;
    if (request.function == 2) {
      rest = Writer().delimiter().text(Tag::kNodeName, "iqn.bad name\n").take();
    }
    return answer_to(request, Status::kSuccess, rest).encode();
  });
  Host host;
  EXPECT_THROW(publish_and_ask(server, &host), ProtocolError);
  EXPECT_TRUE(host.allowed.empty());
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
