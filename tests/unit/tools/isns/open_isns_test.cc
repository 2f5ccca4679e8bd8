// SPDX-License-Identifier: GPL-2.0-only
//
// The registrar against a real server: isnsd of the package open-isns-server, on a port of the
// loop-back interface. Skipped where it is not installed.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include "free_port.hh"
#include "isns/registrar.hh"

namespace isns {
namespace {

constexpr char kDaemon[] = "/usr/sbin/isnsd";
constexpr auto kPatience = std::chrono::seconds(60);

// One isnsd with an empty database; every node that is in no domain is in the default one.
class RealServer {
 public:
  RealServer() : port_(chiscsi::test::free_port()) {
    char pattern[] = "/tmp/isns-test-XXXXXX";
    directory_ = mkdtemp(pattern);
    std::filesystem::create_directory(directory_ / "db");
    std::ofstream(directory_ / "conf")
        << "SourceName = iqn.2026-11.org.example:isns\nSecurity = 0\nSLPRegister = 0\n"
        << "DefaultDiscoveryDomain = 1\nDatabase = " << (directory_ / "db").string()
        << "\nPIDFile = " << (directory_ / "pid").string()
        << "\nControlSocket = " << (directory_ / "control").string()
        << "\nBindAddress = 127.0.0.1:" << port_ << "\n";
    start();
  }
  ~RealServer() {
    stop();
    std::filesystem::remove_all(directory_);
  }
  void start() {
    pid_ = fork();
    if (pid_ == 0) {
      const std::string conf = (directory_ / "conf").string();
      execl(kDaemon, "isnsd", "-f", "-4", "-c", conf.c_str(), static_cast<char*>(nullptr));
      _exit(127);
    }
    const auto deadline = Clock::now() + kPatience;
    while (true) {
      try {
        Stream::connect(endpoint(), deadline);
        return;
      } catch (const NetworkError&) {
        if (Clock::now() > deadline) throw;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    }
  }
  void stop() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  std::string name() const { return "127.0.0.1:" + std::to_string(port_); }
  Endpoint endpoint() const { return resolve(name(), kServerPort); }

 private:
  uint16_t port_;
  pid_t pid_ = -1;
  std::filesystem::path directory_;
};

Portal portal(const char* text, uint16_t port) {
  Portal portal{};
  inet_pton(AF_INET6, text, &portal.address);
  portal.port = port;
  return portal;
}

TargetNode node(const std::string& name) {
  return {name, "alias", {{1, {portal("::ffff:127.0.0.1", 3260)}}, {2, {portal("::1", 3261)}}}};
}

class Host : public TargetHost {
 public:
  std::vector<TargetNode> targets() override {
    std::lock_guard lock(mutex_);
    return targets_;
  }
  void allow(const std::string& target, const std::vector<std::string>& initiators) override {
    std::lock_guard lock(mutex_);
    allowed_[target] = initiators;
    changed_.notify_all();
  }
  void forget(const std::string& target) override {
    std::lock_guard lock(mutex_);
    allowed_.erase(target);
    changed_.notify_all();
  }
  bool has_list(const std::string& target) {
    std::lock_guard lock(mutex_);
    return allowed_.count(target) != 0;
  }
  void set(std::vector<TargetNode> targets) {
    std::lock_guard lock(mutex_);
    targets_ = std::move(targets);
  }
  bool wait_for(const std::string& target, const std::vector<std::string>& initiators) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] {
      const auto found = allowed_.find(target);
      return found != allowed_.end() && found->second == initiators;
    });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<TargetNode> targets_;
  std::map<std::string, std::vector<std::string>> allowed_;
};

// An initiator as the server sees one: registered, and asking for targets.
class Initiator {
 public:
  Initiator(const Endpoint& server, std::string name)
      : name_(std::move(name)), stream_(Stream::connect(server, Clock::now() + kPatience)) {
    Writer writer;
    writer.text(Tag::kNodeName, name_).text(Tag::kEntityIdentifier, "host-of-" + name_).delimiter();
    writer.text(Tag::kEntityIdentifier, "host-of-" + name_)
        .number(Tag::kEntityProtocol, kProtocolIscsi);
    writer.address(Tag::kPortalAddress, portal("::ffff:127.0.0.1", 0).address);
    writer.number(Tag::kPortalPort, 5000);
    writer.text(Tag::kNodeName, name_).number(Tag::kNodeType, kNodeInitiator);
    EXPECT_EQ(call(Function::kRegister, writer.take()), Status::kSuccess);
  }
  std::vector<std::string> targets() {
    Writer writer;
    writer.text(Tag::kNodeName, name_).number(Tag::kNodeType, kNodeTarget).delimiter();
    writer.empty(Tag::kNodeName);
    std::vector<std::string> names;
    if (call(Function::kQuery, writer.take()) != Status::kSuccess) return names;
    bool behind = false;
    for (const Attribute& attribute : parse_attributes(rest_)) {
      behind |= attribute.tag == Tag::kDelimiter;
      if (behind && attribute.tag == Tag::kNodeName) names.push_back(attribute.text());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  // "TAG ADDRESS:PORT" of the target's portal groups.
  std::vector<std::string> portals_of(const std::string& target) {
    Writer writer;
    writer.text(Tag::kNodeName, name_).text(Tag::kNodeName, target).delimiter();
    writer.empty(Tag::kGroupPortalAddress).empty(Tag::kGroupPortalPort).empty(Tag::kGroupTag);
    std::vector<std::string> found;
    if (call(Function::kQuery, writer.take()) != Status::kSuccess) return found;
    char text[INET6_ADDRSTRLEN] = "";
    uint32_t port = 0;
    for (const Attribute& attribute : parse_attributes(rest_)) {
      if (attribute.tag == Tag::kGroupPortalAddress && !attribute.value.empty()) {
        const in6_addr address = attribute.address();
        inet_ntop(AF_INET6, &address, text, sizeof(text));
      } else if (attribute.tag == Tag::kGroupPortalPort && !attribute.value.empty()) {
        port = attribute.number();
      } else if (attribute.tag == Tag::kGroupTag && !attribute.value.empty()) {
        found.push_back(std::to_string(attribute.number()) + " " + text + ":" +
                        std::to_string(port));
      }
    }
    std::sort(found.begin(), found.end());
    return found;
  }

 private:
  Status call(Function function, std::vector<uint8_t> payload) {
    Message request;
    request.function = static_cast<uint16_t>(function);
    request.flags = Header::kClient;
    request.transaction = ++transaction_;
    request.payload = std::move(payload);
    stream_.send(request.encode(), Clock::now() + kPatience);
    answer_ = stream_.receive(Clock::now() + kPatience);
    return split_status(answer_.payload, &rest_);
  }
  std::string name_;
  Stream stream_;
  uint16_t transaction_ = 0;
  Message answer_;
  std::span<const uint8_t> rest_;
};

class OpenIsns : public testing::Test {
 protected:
  void SetUp() override {
    if (access(kDaemon, X_OK) != 0) GTEST_SKIP() << "open-isns-server is not installed";
    server_ = std::make_unique<RealServer>();
  }
  RegistrarOptions options() const {
    return {server_->name(), "target-host", std::chrono::seconds(60)};
  }
  std::unique_ptr<RealServer> server_;
  Host host_;
};

const std::string kOne = "iqn.2026-11.org.example:one", kTwo = "iqn.2026-11.org.example:two";
const std::string kInitiator = "iqn.2026-11.org.example:initiator";

TEST_F(OpenIsns, TargetsAreFoundWithTheirPortalGroups) {
  host_.set({node(kOne), node(kTwo)});
  Registrar registrar(options(), host_);
  registrar.publish();
  Initiator initiator(server_->endpoint(), kInitiator);
  EXPECT_EQ(initiator.targets(), (std::vector<std::string>{kOne, kTwo}));
  EXPECT_EQ(initiator.portals_of(kOne),
            (std::vector<std::string>{"1 ::ffff:127.0.0.1:3260", "2 ::1:3261"}));
}

TEST_F(OpenIsns, StoppedTargetDisappears) {
  host_.set({node(kOne), node(kTwo)});
  Registrar registrar(options(), host_);
  registrar.publish();
  host_.set({node(kTwo)});
  registrar.publish();
  Initiator initiator(server_->endpoint(), kInitiator);
  EXPECT_EQ(initiator.targets(), std::vector<std::string>{kTwo});
}

TEST_F(OpenIsns, NothingIsLeftAfterDeregistration) {
  host_.set({node(kOne), node(kTwo)});
  Registrar registrar(options(), host_);
  registrar.publish();
  registrar.deregister();
  Initiator initiator(server_->endpoint(), kInitiator);
  EXPECT_EQ(initiator.targets(), std::vector<std::string>{});
  host_.set({node(kTwo)});
  registrar.publish();
  EXPECT_EQ(initiator.targets(), std::vector<std::string>{kTwo});
}

TEST_F(OpenIsns, SaysWhoIsAllowed) {
  host_.set({node(kOne)});
  Registrar registrar(options(), host_);
  registrar.publish();
  registrar.ask_who_is_allowed();
  EXPECT_TRUE(host_.wait_for(kOne, {}));
  Initiator initiator(server_->endpoint(), kInitiator);
  registrar.ask_who_is_allowed();
  EXPECT_TRUE(host_.wait_for(kOne, {kInitiator}));
}

// A list ends with the registration of its target: by itself when the target goes, and with all.
TEST_F(OpenIsns, ForgetsTheListOfATargetThatIsNotRegistered) {
  host_.set({node(kOne), node(kTwo)});
  Registrar registrar(options(), host_);
  registrar.publish();
  registrar.ask_who_is_allowed();
  EXPECT_TRUE(host_.has_list(kOne));
  EXPECT_TRUE(host_.has_list(kTwo));
  host_.set({node(kTwo)});
  registrar.publish();
  EXPECT_FALSE(host_.has_list(kOne));
  EXPECT_TRUE(host_.has_list(kTwo));
  registrar.deregister();
  EXPECT_FALSE(host_.has_list(kTwo));
}

// What the server has said stays while it is down; that a target has gone is learned without it.
TEST_F(OpenIsns, KeepsListsWhileTheServerIsDown) {
  host_.set({node(kOne), node(kTwo)});
  Registrar registrar(options(), host_);
  registrar.publish();
  registrar.ask_who_is_allowed();
  server_->stop();
  EXPECT_ANY_THROW(registrar.publish());
  EXPECT_TRUE(host_.has_list(kOne));
  host_.set({node(kTwo)});
  EXPECT_ANY_THROW(registrar.publish());
  EXPECT_FALSE(host_.has_list(kOne));
  EXPECT_TRUE(host_.has_list(kTwo));
  EXPECT_ANY_THROW(registrar.deregister());
  EXPECT_FALSE(host_.has_list(kTwo));
}

// The loop, with a query interval that the test does not live to see: only the server's
// notification can bring the news.
TEST_F(OpenIsns, NotificationOfANewInitiatorIsFollowed) {
  host_.set({node(kOne)});
  Registrar registrar({server_->name(), "target-host", std::chrono::seconds(3000)}, host_);
  int stop[2];
  ASSERT_EQ(pipe2(stop, O_CLOEXEC), 0);
  std::thread loop([&] { registrar.run(stop[0], -1); });
  EXPECT_TRUE(host_.wait_for(kOne, {}));
  Initiator initiator(server_->endpoint(), kInitiator);
  EXPECT_TRUE(host_.wait_for(kOne, {kInitiator}));
  EXPECT_EQ(initiator.targets(), std::vector<std::string>{kOne});
  close(stop[1]);
  loop.join();
  EXPECT_EQ(initiator.targets(), std::vector<std::string>{});
  close(stop[0]);
}

TEST_F(OpenIsns, ServerThatComesBackIsToldAgain) {
  host_.set({node(kOne)});
  Registrar registrar({server_->name(), "target-host", std::chrono::seconds(3000)}, host_);
  server_->stop();
  int stop[2];
  ASSERT_EQ(pipe2(stop, O_CLOEXEC), 0);
  std::thread loop([&] { registrar.run(stop[0], -1); });
  server_->start();
  EXPECT_TRUE(host_.wait_for(kOne, {}));
  close(stop[1]);
  loop.join();
  close(stop[0]);
}

}  // namespace
}  // namespace isns
