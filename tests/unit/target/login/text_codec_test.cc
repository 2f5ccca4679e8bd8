// SPDX-License-Identifier: GPL-2.0-only
//
// Text codec: pairs, the bounded writer, hex and base64 with strict lengths, keys of a text.
#include "target/login/text_codec.hh"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <random>
#include <string>

#include "host.hh"
#include "tests/unit/target/login/fake_login_host.hh"

namespace chiscsi::test {
namespace {

// --- Reading pairs ---

std::string read_all(const std::string& text) {
  KeyValueReader reader(bytes_of(text));
  KeyValue pair;
  std::string result;
  for (;;) {
    switch (reader.next(&pair)) {
      case KeyValueReader::Next::kPair:
        result += string_of(pair.key) + ":" + string_of(pair.value) + ";";
        break;
      case KeyValueReader::Next::kEnd:
        return result;
      default:
        return result + "!";
    }
  }
}

TEST(KeyValueReader, ReadsPairsInOrder) {
  EXPECT_EQ(read_all(""), "");
  EXPECT_EQ(read_all(wire({"A=1", "B=", "C=x=y"})), "A:1;B:;C:x=y;");
  EXPECT_EQ(read_all(wire({"", "A=1", "", "", "B=2", ""})), "A:1;B:2;");
}

TEST(KeyValueReader, StopsAtMalformedText) {
  EXPECT_EQ(read_all("A=1"), "!");
  EXPECT_EQ(read_all(wire({"A=1"}) + "B"), "A:1;!");
  EXPECT_EQ(read_all(wire({"A"})), "!");
  EXPECT_EQ(read_all(wire({"=1"})), "!");
  EXPECT_EQ(read_all(wire({"A b=1"})), "!");
  EXPECT_EQ(read_all(wire({"-A=1"})), "!");
  EXPECT_EQ(read_all(wire({"A\n=1"})), "!");
}

TEST(KeyValueReader, AcceptsKeysOfUpTo63Characters) {
  for (const size_t length : {1u, 62u, 63u, 64u, 255u, 256u, 8191u, 8192u, 8193u}) {
    const std::string key(length, 'K');
    EXPECT_EQ(read_all(wire({key + "=v"})), length <= 63 ? key + ":v;" : "!");
    EXPECT_EQ(read_all(wire({key})), "!");
  }
}

TEST(KeyValueReader, NeverReadsPastTheEnd) {
  // Exact heap copies, so that the address sanitizer sees a byte too many.
  const std::string text = wire({"A=1", "Bb=22"}) + "C=3";
  for (size_t size = 0; size <= text.size(); ++size) {
    const std::vector<uint8_t> exact(text.begin(), text.begin() + static_cast<long>(size));
    KeyValueReader reader({exact.data(), exact.size()});
    KeyValue pair;
    while (reader.next(&pair) == KeyValueReader::Next::kPair) {
    }
  }
}

// --- Writing ---

TEST(TextWriter, WritesPairsOfAllKinds) {
  TextBuffer buffer(1000);
  TextWriter writer(buffer);
  writer.pair("A", "x");
  writer.number("N", 18446744073709551615u);
  const uint8_t bytes[] = {0x00, 0xfa};
  writer.hex("H", Bytes(bytes));
  writer.begin("P");
  writer.add("1");
  writer.add(",2");
  writer.end();
  EXPECT_EQ(string_of(buffer.bytes()),
            wire({"A=x", "N=18446744073709551615", "H=0x00fa", "P=1,2"}));
  EXPECT_TRUE(writer.is_complete());
}

TEST(TextWriter, LeavesNoPartOfAPairBehind) {
  for (size_t limit = 0; limit < 40; ++limit) {
    TextBuffer buffer(limit);
    TextWriter writer(buffer);
    for (int i = 0; i < 5; ++i)
      writer.pair("Key", "value");  // Ten bytes each.
    EXPECT_EQ(buffer.size(), limit / 10 * 10);
    EXPECT_EQ(writer.is_complete(), false);
    EXPECT_EQ(writer.status().error(), Error::kNoSpace);
  }
  TextBuffer buffer(50);
  TextWriter writer(buffer);
  for (int i = 0; i < 5; ++i)
    writer.pair("Key", "value");
  EXPECT_TRUE(writer.is_complete());
}

TEST(TextWriter, DropsWhatFollowsAPairThatDidNotFit) {
  TextBuffer buffer(10);
  TextWriter writer(buffer);
  writer.pair("Key", "a long value");
  writer.pair("K", "v");
  EXPECT_EQ(buffer.size(), 0u);
}

TEST(TextBuffer, ReportsMissingMemory) {
  TextBuffer buffer(100000);
  EXPECT_TRUE(buffer.append(Text("abc").bytes()).is_ok());
  host_fail_allocation_at(1);
  const std::string much(50000, 'x');
  EXPECT_EQ(buffer.append(bytes_of(much)).error(), Error::kNoMemory);
  host_fail_allocation_at(0);
  EXPECT_EQ(string_of(buffer.bytes()), "abc");
  EXPECT_TRUE(buffer.append(bytes_of(much)).is_ok());
  EXPECT_EQ(buffer.append(bytes_of(much + "x")).error(), Error::kNoSpace);
  EXPECT_EQ(buffer.size(), 50003u);
}

TEST(TextPartSize, CutsBehindThePairThatStillFits) {
  const std::string text = wire({"A=1", "Bb=22", "C=3"});
  for (size_t limit = 1; limit <= text.size() + 1; ++limit) {
    const size_t size = text_part_size(bytes_of(text), limit);
    const size_t expected = limit >= 14 ? 14 : limit >= 10 ? 10 : limit >= 4 ? 4 : limit;
    EXPECT_EQ(size, expected) << limit;
  }
}

// --- Decoding ---

bool decodes(const std::string& text, std::string* decoded, size_t room = 4096) {
  std::vector<uint8_t> out(room);  // Exact, for the address sanitizer.
  size_t size = 0;
  if (!decode_binary(text_of(text), {out.data(), room}, &size)) return false;
  decoded->assign(out.begin(), out.begin() + static_cast<long>(size));
  return true;
}

std::string openssl_base64(const std::string& bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<uint8_t*>(text.data()),
                                   reinterpret_cast<const uint8_t*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(size));
  return "0b" + text;
}

TEST(DecodeBinary, AgreesWithAnotherEncoder) {
  std::mt19937 random(1);
  for (size_t size = 1; size < 300; ++size) {
    std::string bytes(size, '\0');
    for (char& c : bytes)
      c = static_cast<char>(random());
    for (const std::string& text : {hex_of(bytes), openssl_base64(bytes)}) {
      std::string decoded;
      ASSERT_TRUE(decodes(text, &decoded)) << text;
      EXPECT_EQ(decoded, bytes);
      EXPECT_EQ(decoded_size(text_of(text)), size);
      ASSERT_TRUE(decodes(text, &decoded, size));
      EXPECT_FALSE(decodes(text, &decoded, size - 1));
    }
  }
}

TEST(DecodeBinary, TakesAnyCaseOfHexAndEitherPrefix) {
  std::string decoded;
  EXPECT_TRUE(decodes("0XaBcD", &decoded));
  EXPECT_EQ(decoded, "\xab\xcd");
  EXPECT_TRUE(decodes("0Bq80=", &decoded));
  EXPECT_EQ(decoded, "\xab\xcd");
  EXPECT_TRUE(decodes("0xabc", &decoded));
  EXPECT_EQ(decoded, "\x0a\xbc");
}

TEST(DecodeBinary, RefusesWhatIsMalformed) {
  const char* const kBad[] = {"",
                              "0",
                              "0x",
                              "0b",
                              "1234",
                              "abcd",
                              "0xg0",
                              "0x0g",
                              "0x00 ",
                              " 0x00",
                              "0x0x00",
                              "0bA",
                              "0bAA",
                              "0bAAA",
                              "0bAAAAA",
                              "0bA===",
                              "0b====",
                              "0bAA=A",
                              "0b=AAA",
                              "0bAAA=A",
                              "0bAB==",
                              "0bAAB=",
                              "0bAA-_",
                              "0bAA A",
                              "0bAAA\n",
                              "0bAAAA=",
                              "0bAA==AAAA",
                              "0x=",
                              "0b\xff\xff\xff\xff"};
  std::string decoded;
  for (const char* text : kBad)
    EXPECT_FALSE(decodes(text, &decoded)) << text;
}

TEST(DecodeBinary, WritesNothingWhenItRefuses) {
  uint8_t room[4] = {1, 2, 3, 4};
  size_t size = 99;
  EXPECT_FALSE(decode_binary("0x0102030g", {room, 4}, &size));
  EXPECT_FALSE(decode_binary("0x0102030405", {room, 4}, &size));
  EXPECT_EQ(size, 99u);
  const uint8_t untouched[4] = {1, 2, 3, 4};
  EXPECT_EQ(memcmp(room, untouched, 4), 0);
}

TEST(DecodeBinary, WantsExactlyTheSize) {
  uint8_t room[16];
  const std::string digits(64, 'a');
  for (size_t length = 1; length <= 64; ++length) {
    EXPECT_EQ(decode_binary_exactly(text_of("0x" + digits.substr(0, length)), room),
              length == 31 || length == 32);
  }
}

// --- Keys ---

struct Collected {
  const char* problem;
  std::string answer;
  OfferedKeys offered;
};
Collected collect(const std::string& text, SeenKeys& seen, size_t answer_limit = 65536) {
  TextBuffer buffer(answer_limit);
  TextWriter writer(buffer);
  Collected result = {};
  result.problem = collect_keys(bytes_of(text), seen, result.offered, writer);
  result.answer = string_of(buffer.bytes());
  return result;
}

TEST(CollectKeys, SortsKnownFromUnknown) {
  SeenKeys seen(256);
  const std::string text = wire({"InitialR2T=No", "Foo=1", "HeaderDigest="});
  const Collected result = collect(text, seen);
  EXPECT_EQ(result.problem, nullptr);
  EXPECT_EQ(result.answer, wire({"Foo=NotUnderstood"}));
  EXPECT_EQ(result.offered.count(), 2u);
  EXPECT_EQ(string_of(result.offered.value(TextKey::kInitialR2T)), "No");
  EXPECT_TRUE(result.offered.has(TextKey::kHeaderDigest));
  EXPECT_FALSE(result.offered.has(TextKey::kDataDigest));
}

TEST(CollectKeys, NoticesRepetitionOverSeveralTexts) {
  SeenKeys seen(256);
  EXPECT_EQ(collect(wire({"InitialR2T=No", "Foo=1"}), seen).problem, nullptr);
  EXPECT_STREQ(collect(wire({"Foo=2"}), seen).problem, "key sent twice");
  EXPECT_STREQ(collect(wire({"InitialR2T=No"}), seen).problem, "key sent twice");
  seen.clear();
  EXPECT_EQ(collect(wire({"InitialR2T=No", "Foo=1"}), seen).problem, nullptr);
}

TEST(CollectKeys, HasAnUpperLimitOfKeys) {
  for (const uint32_t limit : {0u, 1u, 255u, 256u, 1000u}) {
    SeenKeys seen(limit);
    std::string text;
    for (uint32_t i = 0; i < 300; ++i)
      text += "K" + std::to_string(i) + "=1" + '\0';
    const Collected result = collect(text, seen);
    EXPECT_STREQ(result.problem, "too many keys");
    EXPECT_EQ(pairs_of(result.answer).size(), limit < 256 ? limit : 256);
  }
}

TEST(CollectKeys, LeavesItToTheWriterToReportAFullAnswer) {
  SeenKeys seen(256);
  TextBuffer buffer(20);
  TextWriter writer(buffer);
  OfferedKeys offered;
  EXPECT_EQ(collect_keys(bytes_of(wire({"Aaa=1", "Bbb=1"})), seen, offered, writer), nullptr);
  EXPECT_FALSE(writer.is_complete());
  EXPECT_EQ(buffer.size(), 18u);
}

}  // namespace
}  // namespace chiscsi::test
