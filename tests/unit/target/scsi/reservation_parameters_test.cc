// SPDX-License-Identifier: GPL-2.0-only
//
// Parameter lists of PERSISTENT RESERVE OUT, TransportIDs, and what PERSISTENT RESERVE IN reports.
#include "target/scsi/reservation_parameters.hh"

#include <random>

#include "reservation_world.hh"
#include "target/scsi/conclusion.hh"
#include "target/scsi/reservation_reports.hh"

namespace chiscsi::test {
namespace {

using namespace scsi;  // NOLINT: the names under test.
using Vector = std::vector<uint8_t>;

Vector transport_id(const InitiatorPort& port) {
  Vector bytes(transport_id_size(port));
  Reply reply(MutableBytes(bytes.data(), bytes.size()));
  put_transport_id(reply, port);
  EXPECT_EQ(reply.size(), bytes.size());
  return bytes;
}

Vector basic_list(uint64_t key, uint64_t action_key, uint8_t flags = 0) {
  Vector list(24);
  for (size_t i = 0; i < 8; ++i) {
    list[i] = static_cast<uint8_t>(key >> (56 - 8 * i));
    list[8 + i] = static_cast<uint8_t>(action_key >> (56 - 8 * i));
  }
  list[20] = flags;
  return list;
}

void append(Vector& list, const Vector& more) { list.insert(list.end(), more.begin(), more.end()); }

void put32(Vector& list, size_t at, uint32_t value) {
  for (size_t i = 0; i < 4; ++i)
    list[at + i] = static_cast<uint8_t>(value >> (24 - 8 * i));
}

ReserveOutcome parse(uint8_t action, uint8_t scope_and_type, const Vector& list,
                     ParsedReserveOut* parsed, int64_t length = -1) {
  uint8_t cdb[kCdbSize] = {0x5f, action, scope_and_type};
  const auto said = static_cast<uint32_t>(length < 0 ? static_cast<int64_t>(list.size()) : length);
  for (size_t i = 0; i < 4; ++i)
    cdb[5 + i] = static_cast<uint8_t>(said >> (24 - 8 * i));
  return parse_reserve_out(Cdb(cdb), {list.data(), list.size()}, parsed).take();
}

TEST(ReserveOutList, Basic) {
  ParsedReserveOut parsed;
  EXPECT_TRUE(parse(0, 0x05, basic_list(0x0102030405060708, 9, 0x05), &parsed).is_good());
  const ReserveOutRequest& request = parsed.request;
  EXPECT_EQ(request.action, ReserveOut::kRegister);
  EXPECT_EQ(request.key, 0x0102030405060708u);
  EXPECT_EQ(request.action_key, 9u);
  EXPECT_EQ(request.type, 5);
  EXPECT_EQ(request.scope, 0);
  EXPECT_TRUE(request.persists);
  EXPECT_TRUE(request.all_target_ports);
  EXPECT_FALSE(request.specifies_ports);
}

TEST(ReserveOutList, FlagsOfOtherActionsAreNotLookedAt) {
  for (const uint8_t action : {1, 2, 3, 4, 5}) {
    ParsedReserveOut parsed;
    EXPECT_TRUE(parse(action, 0x13, basic_list(1, 2, 0x05), &parsed).is_good());
    EXPECT_FALSE(parsed.request.persists);
    EXPECT_EQ(parsed.request.scope, 1);
    const ReserveOutcome outcome = parse(action, 1, basic_list(1, 2, 0x08), &parsed);
    EXPECT_TRUE(is_sense(outcome, kInvalidFieldInParameters));
    EXPECT_EQ(outcome.sense.field.byte, 20);
  }
}

TEST(ReserveOutList, LengthsThatAreWrong) {
  ParsedReserveOut parsed;
  for (uint8_t action = 0; action < 8; ++action) {
    for (const size_t size : {0u, 1u, 23u})
      EXPECT_TRUE(is_sense(parse(action, 1, Vector(size), &parsed), kParameterListLengthError));
  }
  for (const size_t size : {25u, 28u, 100u}) {
    Vector list = basic_list(1, 2);
    list.resize(size);
    EXPECT_TRUE(is_sense(parse(0, 1, list, &parsed), kParameterListLengthError));
  }
  EXPECT_TRUE(is_sense(parse(0, 1, basic_list(1, 2), &parsed, 28), kParameterListLengthError));
  EXPECT_TRUE(
      is_sense(parse(0, 1, basic_list(1, 2), &parsed, 0xffffffff), kParameterListLengthError));
  const ReserveOutcome outcome = parse(8, 1, basic_list(1, 2), &parsed);
  EXPECT_TRUE(is_sense(outcome, kInvalidFieldInCdb));
  EXPECT_EQ(outcome.sense.field.place, FieldPointer::kCdb);
}

Vector specified(const std::vector<InitiatorPort>& ports) {
  Vector list = basic_list(0, 5, 0x08);
  list.resize(28);
  for (const InitiatorPort& port : ports)
    append(list, transport_id(port));
  put32(list, 24, static_cast<uint32_t>(list.size() - 28));
  return list;
}

TEST(ReserveOutList, SpecifiedPorts) {
  ParsedReserveOut parsed;
  const std::vector<InitiatorPort> ports = {initiator("a"), initiator("long.one")};
  EXPECT_TRUE(parse(0, 0, specified(ports), &parsed).is_good());
  ASSERT_EQ(parsed.request.ports.size(), 2u);
  EXPECT_TRUE(parsed.request.ports[0] == ports[0]);
  EXPECT_TRUE(parsed.request.ports[1] == ports[1]);

  Vector list = specified(ports);
  put32(list, 24, 4);  // Not what is there.
  EXPECT_TRUE(is_sense(parse(0, 0, list, &parsed), kParameterListLengthError));
  list = specified(ports);
  list[28] = 0x46;  // Of another protocol.
  const ReserveOutcome outcome = parse(0, 0, list, &parsed);
  EXPECT_TRUE(is_sense(outcome, kInvalidFieldInParameters));
  EXPECT_EQ(outcome.sense.field.byte, 28);
  list = specified(ports);
  list.resize(26);
  EXPECT_TRUE(is_sense(parse(0, 0, list, &parsed), kParameterListLengthError));
}

TEST(ReserveOutList, Move) {
  Vector list = basic_list(1, 2);
  list[17] = 0x03;
  list[18] = 0x01;
  list[19] = 0x02;
  append(list, transport_id(initiator("target")));
  put32(list, 20, static_cast<uint32_t>(list.size() - 24));
  ParsedReserveOut parsed;
  EXPECT_TRUE(parse(7, 0, list, &parsed).is_good());
  EXPECT_TRUE(parsed.request.unregisters);
  EXPECT_TRUE(parsed.request.persists);
  EXPECT_EQ(parsed.request.moves_to_port, 0x102);
  ASSERT_EQ(parsed.request.ports.size(), 1u);
  EXPECT_TRUE(parsed.request.ports[0] == initiator("target"));

  ParsedReserveOut none;
  EXPECT_FALSE(parse(7, 0, basic_list(1, 2), &none).is_good());
  append(list, transport_id(initiator("more")));
  put32(list, 20, static_cast<uint32_t>(list.size() - 24));
  ParsedReserveOut two;
  EXPECT_TRUE(is_sense(parse(7, 0, list, &two), kInvalidFieldInParameters));
}

TEST(TransportId, ThereAndBack) {
  for (const size_t size : {1u, 2u, 3u, 4u, 50u, 223u}) {
    InitiatorPort port;
    port.name.assign(std::string(size, 'n').c_str());
    for (uint8_t i = 0; i < 6; ++i)
      port.isid[i] = static_cast<uint8_t>(0xa0 + i);
    const Vector bytes = transport_id(port);
    EXPECT_EQ(bytes.size() % 4, 0u);
    EXPECT_GE(bytes.size(), 24u);
    EXPECT_LE(bytes.size(), kMaxTransportId);
    InitiatorPort again;
    size_t taken = 0;
    ASSERT_TRUE(parse_transport_id({bytes.data(), bytes.size()}, &again, &taken));
    EXPECT_EQ(taken, bytes.size());
    EXPECT_TRUE(again == port);
  }
}

TEST(TransportId, RefusesWhatIsNone) {
  const Vector good = transport_id(initiator("a"));
  const auto refused = [](Vector bytes) {
    InitiatorPort port;
    size_t size = 0;
    return !parse_transport_id({bytes.data(), bytes.size()}, &port, &size);
  };
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_TRUE(refused(Vector(good.begin(), good.begin() + static_cast<long>(size))));
  Vector bad = good;
  bad[0] = 0x05;  // The name of a device, without a port.
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad[3] = static_cast<uint8_t>(bad[3] + 1);
  EXPECT_TRUE(refused(bad));
  bad = good;
  for (uint8_t& byte : bad)
    if (byte == ',') byte = ';';
  EXPECT_TRUE(refused(bad));
  bad = good;
  std::fill(bad.begin() + 4, bad.end(), 'x');  // Without an end.
  EXPECT_TRUE(refused(bad));
}

TEST(ReserveOutList, RandomBytesNeverReachPastTheEnd) {
  std::mt19937 random(7);
  const Vector good = specified({initiator("a"), initiator("b")});
  for (int i = 0; i < 20000; ++i) {
    Vector list = good;
    for (int change = 0; change < 3; ++change)
      list[random() % list.size()] = static_cast<uint8_t>(random());
    list.resize(random() % (list.size() + 1));
    ParsedReserveOut parsed;
    static_cast<void>(parse(static_cast<uint8_t>(random() % 9), 1, list, &parsed));
  }
}

// ---- Reports ----

Vector report(const Reservations& state, uint8_t action, bool can_persist = true) {
  Vector bytes(reserve_in_size(state, action));
  Reply reply(MutableBytes(bytes.data(), bytes.size()));
  report_reservations(state, action, can_persist, reply);
  EXPECT_EQ(reply.size(), bytes.size());
  return bytes;
}

TEST(ReserveIn, Reports) {
  World world;
  EXPECT_EQ(report(*world.state, 0), Vector(8));
  EXPECT_EQ(report(*world.state, 1), Vector(8));
  EXPECT_EQ(report(*world.state, 2), (Vector{0, 8, 0x1d, 0xb0, 0xea, 1, 0, 0}));
  EXPECT_EQ(report(*world.state, 2, false), (Vector{0, 8, 0x1c, 0xb0, 0xea, 1, 0, 0}));
  world.join(nexus("a"), 0x11);
  world.join(nexus("b", 2), 0x22);
  ASSERT_TRUE(world.out(nexus("a"), ReserveOut::kReserve, 0x11, 0, 5).is_good());
  EXPECT_EQ(report(*world.state, 0), (Vector{0, 0, 0, 2,    0, 0, 0, 16, 0, 0, 0, 0,
                                             0, 0, 0, 0x11, 0, 0, 0, 0,  0, 0, 0, 0x22}));
  EXPECT_EQ(report(*world.state, 1),
            (Vector{0, 0, 0, 2, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0, 5, 0, 0}));
  const Vector full = report(*world.state, 3);
  const size_t id = transport_id_size(initiator("a"));
  ASSERT_EQ(full.size(), 8 + 2 * (24 + id));
  EXPECT_EQ(full[8 + 7], 0x11);
  EXPECT_EQ(full[8 + 12], 1);
  EXPECT_EQ(full[8 + 13], 5);
  EXPECT_EQ(full[8 + 19], 1);
  EXPECT_EQ(full[8 + 23], id);
  const size_t second = 8 + 24 + id;
  EXPECT_EQ(full[second + 12], 0);
  EXPECT_EQ(full[second + 13], 0);
  EXPECT_EQ(full[second + 19], 2);
  InitiatorPort port;
  size_t size = 0;
  ASSERT_TRUE(parse_transport_id({full.data() + second + 24, id}, &port, &size));
  EXPECT_TRUE(port == initiator("b"));
}

}  // namespace
}  // namespace chiscsi::test
