// SPDX-License-Identifier: GPL-2.0-only
//
// Fuzzer of the login state machine: whole logins against a fake host.
//
// Input: one byte chooses the target's settings and how the host answers; the rest is requests,
// separated by two bytes 0xff, each a byte of flags and its text. "CHAP_R=@" in a text is replaced
// by the right response, so that the fuzzer gets past CHAP. Oracles beside crashes: no session
// without authentication where CHAP is required, every answer bounded and well formed, each key
// answered once, agreed values within their ranges, and the same result when the text is split over
// PDUs.
#include <cstdio>
#include <cstdlib>
#include <set>

#include "os/digest.h"
#include "tests/unit/target/login/fake_login_host.hh"

namespace {

using namespace chiscsi;
using namespace chiscsi::test;
using Step = Login::Step;

void require(bool condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "login_fuzz: %s\n", what);
  abort();
}

constexpr char kAccounts[] = "Auth_CHAP_Initiator=\"u\":\"usersecret12\"";
constexpr char kOwnAccount[] = "Auth_CHAP_Target=\"t\":\"targetsecret\"";

struct Scene {
  std::vector<std::string> lines;
  bool chap_required;
  bool mutual_required;
};

const std::vector<Scene>& scenes() {
  static const std::vector<Scene> kScenes = {
      {{}, false, false},
      {{"AuthMethod=CHAP", kAccounts}, true, false},
      {{"AuthMethod=CHAP", kAccounts, kOwnAccount, "Auth_CHAP_Policy=Mutual"}, true, true},
      {{"AuthMethod=None,CHAP", kAccounts, kOwnAccount}, false, false},
      {{"ImmediateData=No", "MaxBurstLength=4096", "FirstBurstLength=1024", "HeaderDigest=CRC32C",
        "TargetAlias=x", "MaxOutstandingR2T=100"},
       false,
       false},
  };
  return kScenes;
}

Ref<TargetSettings> settings_for(const Scene& scene) {
  std::string text;
  for (const std::string& line : scene.lines)
    text += line + '\0';
  ConfigError error;
  auto settings = TargetSettings::parse(kTargetName, bytes_of(text), {}, &error);
  require(settings.is_ok(), error.c_str());
  return settings.take();
}

// One login, driven by the requests of the input.
class Run {
 public:
  Run(const Scene& scene, uint8_t host_bits) : scene_(scene) {
    host_.settings = settings_for(scene);
    host_.discovery.methods =
        AuthChoice(scene.chap_required ? AuthMethod::kChap : AuthMethod::kNone);
    require(host_.discovery.initiators.append({"u", "usersecret12"}).is_ok(), "memory");
    if ((host_bits & 1) != 0) host_.first_check = CheckResult::kPending;
    if ((host_bits & 2) != 0) host_.stage_checks = CheckResult::kPending;
    if ((host_bits & 4) != 0) host_.admission = AdmitResult::pending();
    login_ = Login::create(host_, limits_);
  }

  // False when the login is over.
  bool send(uint8_t flags, std::string text) {
    fill_in_response(&text);
    iscsi::LoginRequest request = login_request(0, 0, false);
    request.flags = flags;
    Step step = login_->on_request(request, bytes_of(text));
    while (step == Step::kWait)
      step = answer_for_driver();
    check(step);
    return step == Step::kRespond;
  }

  // What the peer saw, for comparison of two runs.
  std::string transcript;

 private:
  Step answer_for_driver() {
    switch (login_->state()) {
      case LoginState::kFirstCheck:
        return login_->first_login_check_done(0, 0, 0);
      case LoginState::kStageCheck:
        return login_->stage_check_done(0, 0);
      case LoginState::kAdmission:
        return login_->admitted(iscsi::LoginStatus::kSuccess, 9);
      default:
        require(false, "waits for nothing");
        return Step::kDrop;
    }
  }

  void fill_in_response(std::string* text) {
    const size_t at = text->find("CHAP_R=@");
    if (at == std::string::npos || answers_.count("CHAP_C") == 0) return;
    const std::string identifier(1, static_cast<char>(atoi(answers_["CHAP_I"].c_str())));
    uint8_t challenge[1024];
    size_t size = 0;
    require(decode_binary(text_of(answers_["CHAP_C"]), challenge, &size), "CHAP_C is malformed");
    const os_hash_part parts[] = {{identifier.data(), 1}, {"usersecret12", 12}, {challenge, size}};
    const int algorithm = atoi(answers_["CHAP_A"].c_str());
    uint8_t digest[OS_HASH_MAX_SIZE];
    require(os_hash(algorithm, parts, 3, digest) == 0, "hash");
    const std::string bytes(reinterpret_cast<char*>(digest), os_hash_size(algorithm));
    text->replace(at + 7, 1, hex_of(bytes));
    responded_ = true;
  }

  void check(Step step) {
    if (step == Step::kDrop) return;
    const iscsi::LoginResponse& response = login_->response();
    const Bytes data = login_->response_data();
    require(data.size() <= 8192, "answer longer than 8192 bytes");
    require(response.data_segment_length.get() == data.size(), "wrong DataSegmentLength");
    require((response.flags & 0xc0) != 0xc0, "T and C together");
    require((step == Step::kRespondAndClose) == (response.status_class != 0), "status and step");
    transcript += string_of(data) + '|' + std::to_string(response.status_class) + '|';
    part_ += string_of(data);
    if ((response.flags & 0x40) == 0) check_text();
    if (step == Step::kRespondAndEnterFullFeature) check_session();
  }

  // A whole answer: NUL-terminated pairs, no key a second time.
  void check_text() {
    require(part_.empty() || part_.back() == '\0', "answer does not end in NUL");
    for (const auto& [key, value] : pairs_of(part_)) {
      require(!key.empty() && key.size() <= 63, "bad key in an answer");
      require(answers_.count(key) == 0, "key answered twice");
      answers_[key] = value;
    }
    part_.clear();
  }

  void check_session() const {
    require(host_.admissions == 1, "in full feature phase without admission");
    const ConnectionParameters& connection = login_->connection();
    const SessionParameters& session = login_->session();
    if (scene_.chap_required) require(connection.authenticated, "session without authentication");
    if (connection.authenticated) require(responded_, "authenticated without a right response");
    if (scene_.mutual_required && session.type == SessionType::kNormal) {
      require(answers_.count("CHAP_R") == 1, "one-way CHAP where mutual is required");
    }
    require(is_iscsi_name(session.initiator_name.text()), "bad initiator name");
    for (const KeyInfo& info : key_table()) {
      if (info.number == nullptr) continue;
      const uint32_t value = session.*info.number;
      require(value >= info.minimum && value <= info.maximum, info.name.data());
    }
    const bool unsolicited = !session.initial_r2t || session.immediate_data;
    require(!unsolicited || session.first_burst_length <= session.max_burst_length,
            "burst lengths");
    require(connection.max_send_data_segment_length >= 512, "send limit");
  }

  const Scene& scene_;
  FakeLoginHost host_;
  LoginLimits limits_;
  OwnPtr<Login> login_;
  std::map<std::string, std::string> answers_;
  std::string part_;
  bool responded_ = false;
};

std::vector<std::string> requests_of(const uint8_t* data, size_t size) {
  std::vector<std::string> requests(1);
  for (size_t i = 0; i < size; ++i) {
    if (i + 1 < size && data[i] == 0xff && data[i + 1] == 0xff) {
      requests.emplace_back();
      ++i;
    } else {
      requests.back() += static_cast<char>(data[i]);
    }
  }
  return requests;
}

// The first text in one PDU and split in the middle has to come to the same.
void check_split(const Scene& scene, uint8_t flags, const std::string& text) {
  if ((flags & 0x40) != 0 || text.size() > 8192) return;
  Run whole(scene, 0), split(scene, 0);
  whole.send(flags, text);
  const size_t middle = text.size() / 2;
  if (!split.send(static_cast<uint8_t>((flags & 0x0f) | 0x40), text.substr(0, middle))) return;
  split.transcript.clear();
  split.send(flags, text.substr(middle));
  require(whole.transcript == split.transcript, "a split text comes to something else");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const Scene& scene = scenes()[data[0] % scenes().size()];
  const std::vector<std::string> requests = requests_of(data + 1, size - 1);
  Run run(scene, data[0] >> 5);
  for (const std::string& request : requests) {
    if (request.empty()) continue;
    if (!run.send(static_cast<uint8_t>(request[0]), request.substr(1))) break;
  }
  if (!requests[0].empty()) {
    check_split(scene, static_cast<uint8_t>(requests[0][0]), requests[0].substr(1));
  }
  return 0;
}
