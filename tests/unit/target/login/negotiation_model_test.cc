// SPDX-License-Identifier: GPL-2.0-only
//
// Negotiation beside a model: random offers of random keys, in random order, against a table that
// was written down here from RFC 7143 section 13 and knows nothing of the engine's own. The model
// computes with plain values and texts; answer and agreed value of each key have to be the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "target/login/negotiation.hh"
#include "tests/unit/target/login/fake_login_host.hh"

namespace chiscsi::test {
namespace {

enum class Rule { kLower, kHigher, kBothSay, kOneSays, kDigest, kReporting, kNever, kRefused };

struct Row {
  const char* name;
  Rule rule;
  uint64_t lowest, highest;
  bool means_nothing_in_discovery;
};

// RFC 7143 sections 13.1 to 13.25.
constexpr Row kRows[] = {
    {"HeaderDigest", Rule::kDigest, 0, 0, false},
    {"DataDigest", Rule::kDigest, 0, 0, false},
    {"MaxConnections", Rule::kLower, 1, 65535, true},
    {"InitialR2T", Rule::kOneSays, 0, 0, true},
    {"ImmediateData", Rule::kBothSay, 0, 0, true},
    {"MaxBurstLength", Rule::kLower, 512, 16777215, true},
    {"FirstBurstLength", Rule::kLower, 512, 16777215, true},
    {"DefaultTime2Wait", Rule::kHigher, 0, 3600, false},
    {"DefaultTime2Retain", Rule::kLower, 0, 3600, false},
    {"MaxOutstandingR2T", Rule::kLower, 1, 65535, true},
    {"DataPDUInOrder", Rule::kOneSays, 0, 0, true},
    {"DataSequenceInOrder", Rule::kOneSays, 0, 0, true},
    {"ErrorRecoveryLevel", Rule::kLower, 0, 2, false},
    {"TaskReporting", Rule::kReporting, 0, 0, true},
    {"iSCSIProtocolLevel", Rule::kLower, 0, 31, true},
    {"IFMarker", Rule::kNever, 0, 0, false},
    {"OFMarker", Rule::kNever, 0, 0, false},
    {"IFMarkInt", Rule::kRefused, 0, 0, false},
    {"OFMarkInt", Rule::kRefused, 0, 0, false},
};

// What both sides start from, as text.
const std::map<std::string, std::string>& defaults() {
  static const std::map<std::string, std::string> kDefaults = {
      {"HeaderDigest", "None"},      {"DataDigest", "None"},       {"MaxConnections", "1"},
      {"InitialR2T", "Yes"},         {"ImmediateData", "Yes"},     {"MaxBurstLength", "262144"},
      {"FirstBurstLength", "65536"}, {"DefaultTime2Wait", "2"},    {"DefaultTime2Retain", "20"},
      {"MaxOutstandingR2T", "1"},    {"DataPDUInOrder", "Yes"},    {"DataSequenceInOrder", "Yes"},
      {"ErrorRecoveryLevel", "0"},   {"TaskReporting", "RFC3720"}, {"iSCSIProtocolLevel", "1"},
  };
  return kDefaults;
}

// A number as RFC 7143 section 6.1 writes it: no sign, no blanks, no leading zero, or 0x and
// digits.
std::optional<uint64_t> number_of(const std::string& text) {
  const bool hex = text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
  const std::string digits = hex ? text.substr(2) : text;
  if (digits.empty() || digits.size() > 16 || (!hex && digits.size() > 1 && digits[0] == '0')) {
    return {};
  }
  for (const char c : digits) {
    if (!(hex ? isxdigit(static_cast<unsigned char>(c)) : isdigit(static_cast<unsigned char>(c)))) {
      return {};
    }
  }
  return strtoull(digits.c_str(), nullptr, hex ? 16 : 10);
}

std::vector<std::string> words_of(const std::string& list) {
  std::vector<std::string> words(1);
  for (const char c : list) {
    if (c == ',') {
      words.emplace_back();
    } else {
      words.back().push_back(c);
    }
  }
  return words;
}

class NegotiationModel : public testing::Test {
 protected:
  uint32_t draw(uint32_t below) { return static_cast<uint32_t>(random_() % below); }
  template <typename T>
  const T& one_of(const std::vector<T>& values) {
    return values[draw(static_cast<uint32_t>(values.size()))];
  }

  std::string random_number(const Row& row) {
    const uint64_t span = row.highest - row.lowest + 1;
    const std::vector<uint64_t> numbers = {
        row.lowest,  row.lowest - 1,  row.lowest + 1,
        row.highest, row.highest + 1, 0,
        1,           65536,           row.lowest + random_() % span};
    const uint64_t number = one_of(numbers);
    switch (draw(12)) {
      case 0: {
        char text[32];
        snprintf(text, sizeof(text), "0x%llX", static_cast<unsigned long long>(number));
        return text;
      }
      case 1:
        return one_of<std::string>({"", "-1", "0x", "1 ", "01", "Yes", "4294967297", "1,2", "1~2"});
      default:
        return std::to_string(number);
    }
  }
  std::string random_offer(const Row& row) {
    switch (row.rule) {
      case Rule::kBothSay:
      case Rule::kOneSays:
      case Rule::kNever:
        return one_of<std::string>({"Yes", "No", "Yes", "No", "yes", "", "1"});
      case Rule::kDigest:
        return one_of<std::string>({"None", "CRC32C", "None,CRC32C", "CRC32C,None", "X,CRC32C",
                                    "x,,None", "", "crc32c", "CRC32C,CRC32C"});
      case Rule::kReporting:
        return one_of<std::string>(
            {"RFC3720", "FastAbort", "ResponseFence,RFC3720", "FastAbort,ResponseFence", ""});
      case Rule::kRefused:
        return one_of<std::string>({"2048", "1~65535", "No"});
      default:
        return random_number(row);
    }
  }

  // Our side, as settings for the engine and as text for the model.
  void draw_our_side() {
    ours_ = NegotiationSettings();
    mine_ = defaults();
    mine_["iSCSIProtocolLevel"] = "2";
    const auto number = [&](const char* name, uint32_t* member, std::vector<uint32_t> values) {
      *member = one_of(values);
      mine_[name] = std::to_string(*member);
    };
    const auto boolean = [&](const char* name, bool* member) {
      *member = draw(2) == 0;
      mine_[name] = *member ? "Yes" : "No";
    };
    SessionKeys& session = ours_.session;
    number("MaxConnections", &session.max_connections, {1, 2, 8});
    number("MaxBurstLength", &session.max_burst_length, {512, 4096, 262144, 16777215});
    number("FirstBurstLength", &session.first_burst_length, {512, 4096, 65536, 16777215});
    number("DefaultTime2Wait", &session.default_time2wait, {0, 2, 3600});
    number("DefaultTime2Retain", &session.default_time2retain, {0, 20, 3600});
    number("MaxOutstandingR2T", &session.max_outstanding_r2t, {1, 4, 64});
    number("ErrorRecoveryLevel", &session.error_recovery_level, {0, 1, 2});
    boolean("InitialR2T", &session.initial_r2t);
    boolean("ImmediateData", &session.immediate_data);
    boolean("DataPDUInOrder", &session.data_pdu_in_order);
    boolean("DataSequenceInOrder", &session.data_sequence_in_order);
    const auto digests = [&](const char* name, DigestChoice* member) {
      const uint32_t kind = draw(3);
      *member = kind == 0   ? DigestChoice(DigestType::kNone)
                : kind == 1 ? DigestChoice(DigestType::kCrc32c)
                            : DigestChoice(DigestType::kNone, DigestType::kCrc32c);
      mine_[name] = kind == 0 ? "None" : kind == 1 ? "CRC32C" : "None,CRC32C";
    };
    digests("HeaderDigest", &ours_.header_digests);
    digests("DataDigest", &ours_.data_digests);
    ours_.discovery = draw(4) == 0;
  }

  // What the model answers; agreed_ changes with it.
  std::string model_answer(const Row& row, const std::string& offer) {
    if (ours_.discovery && row.means_nothing_in_discovery) return "Irrelevant";
    const std::string mine = mine_.count(row.name) != 0 ? mine_[row.name] : "";
    switch (row.rule) {
      case Rule::kNever:
        return "No";
      case Rule::kRefused:
        return "Reject";
      case Rule::kBothSay:
      case Rule::kOneSays: {
        if (offer != "Yes" && offer != "No") return "Reject";
        const bool both = mine == "Yes" && offer == "Yes", one = mine == "Yes" || offer == "Yes";
        return agree(row, (row.rule == Rule::kBothSay ? both : one) ? "Yes" : "No");
      }
      case Rule::kDigest:
      case Rule::kReporting: {
        const std::vector<std::string> supported = words_of(mine);
        for (const std::string& word : words_of(offer)) {
          if (std::count(supported.begin(), supported.end(), word) != 0) return agree(row, word);
        }
        return "Reject";
      }
      default:
        return model_number(row, offer, *number_of(mine));
    }
  }
  std::string model_number(const Row& row, const std::string& offer, uint64_t mine) {
    const std::optional<uint64_t> number = number_of(offer);
    if (!number || *number < row.lowest || *number > row.highest) return "Reject";
    // Section 13.14: the first burst is not to exceed the burst that was agreed.
    if (row.name == std::string("FirstBurstLength")) {
      mine = std::min(mine, *number_of(agreed_["MaxBurstLength"]));
    }
    const uint64_t result =
        row.rule == Rule::kLower ? std::min(*number, mine) : std::max(*number, mine);
    return agree(row, std::to_string(result));
  }
  std::string agree(const Row& row, const std::string& value) {
    agreed_[row.name] = value;
    return value;
  }

  static std::string engine_answer(Negotiation& negotiation, const Row& row,
                                   const std::string& offer) {
    TextBuffer buffer(1000);
    TextWriter writer(buffer);
    const KeyInfo* info = find_key(text_of(row.name));
    if (info == nullptr) return "unknown key";
    if (!negotiation.take(*info, text_of(offer), writer).is_ok()) return "error";
    const auto pairs = pairs_of(string_of(buffer.bytes()));
    if (pairs.size() != 1 || pairs[0].first != row.name) return "no answer";
    return pairs[0].second;
  }

  void expect_agreed(const Negotiation& negotiation) {
    const SessionKeys& keys = negotiation.session_keys();
    const auto number = [&](const char* name) { return *number_of(agreed_[name]); };
    const auto yes = [&](const char* name) { return agreed_[name] == "Yes"; };
    EXPECT_EQ(keys.max_connections, number("MaxConnections"));
    EXPECT_EQ(keys.max_burst_length, number("MaxBurstLength"));
    EXPECT_EQ(keys.first_burst_length, number("FirstBurstLength"));
    EXPECT_EQ(keys.default_time2wait, number("DefaultTime2Wait"));
    EXPECT_EQ(keys.default_time2retain, number("DefaultTime2Retain"));
    EXPECT_EQ(keys.max_outstanding_r2t, number("MaxOutstandingR2T"));
    EXPECT_EQ(keys.error_recovery_level, number("ErrorRecoveryLevel"));
    EXPECT_EQ(keys.protocol_level, number("iSCSIProtocolLevel"));
    EXPECT_EQ(keys.initial_r2t, yes("InitialR2T"));
    EXPECT_EQ(keys.immediate_data, yes("ImmediateData"));
    EXPECT_EQ(keys.data_pdu_in_order, yes("DataPDUInOrder"));
    EXPECT_EQ(keys.data_sequence_in_order, yes("DataSequenceInOrder"));
    ConnectionParameters connection;
    negotiation.store(&connection);
    EXPECT_EQ(connection.header_digest == DigestType::kCrc32c, agreed_["HeaderDigest"] == "CRC32C");
    EXPECT_EQ(connection.data_digest == DigestType::kCrc32c, agreed_["DataDigest"] == "CRC32C");
  }

  std::mt19937_64 random_{4711};
  NegotiationSettings ours_;
  std::map<std::string, std::string> mine_;
  std::map<std::string, std::string> agreed_;
};

TEST_F(NegotiationModel, AgreesWithTheTableOfTheRfc) {
  uint64_t offers = 0;
  for (int round = 0; round < 10000 && !HasFailure(); ++round) {
    draw_our_side();
    agreed_ = defaults();
    std::vector<Row> rows(std::begin(kRows), std::end(kRows));
    std::shuffle(rows.begin(), rows.end(), random_);
    rows.resize(1 + draw(std::size(kRows)));
    Negotiation negotiation;
    negotiation.start(ours_);
    for (const Row& row : rows) {
      const std::string offer = random_offer(row);
      EXPECT_EQ(engine_answer(negotiation, row, offer), model_answer(row, offer))
          << row.name << "=" << offer << ", ours: " << mine_[row.name]
          << (ours_.discovery ? ", discovery" : "");
      ++offers;
    }
    expect_agreed(negotiation);
  }
  EXPECT_GT(offers, 50000u);
}

}  // namespace
}  // namespace chiscsi::test
