// SPDX-License-Identifier: GPL-2.0-only
//
// The fixture of tests of single answers: the LUNs of a LunFixture, and questions to them.
#pragma once

#include <algorithm>
#include <vector>

#include "target/scsi/command_table.hh"
#include "tests/unit/target/lun/lun_fixture.hh"

namespace chiscsi::test {

using ByteVector = std::vector<uint8_t>;

class QuestionFixture : public LunFixture {
 protected:
  // What is kept of an answer where there is so much room; whether it is one is in `outcome_`.
  ByteVector ask(scsi::CommandInfo::Answer answer, ByteVector cdb, uint32_t number, size_t room) {
    cdb.resize(scsi::kCdbSize);
    uint8_t bytes[scsi::kCdbSize];
    std::copy(cdb.begin(), cdb.end(), bytes);
    const Ref<LunMap> luns = map();
    const scsi::Question question{scsi::Cdb(bytes), luns->find(number), *luns, kTarget, 1};
    ByteVector data(room);
    scsi::Reply reply(MutableBytes(data.data(), room));
    Sense refused;
    const scsi::CommandInfo* info = scsi::find_command(question.cdb, question.lun, &refused);
    EXPECT_TRUE(info != nullptr && info->answer == answer);
    outcome_ = answer(question, reply);
    if (reply.size() < room) data.resize(reply.size());
    return data;
  }

  Sense outcome_;
};

}  // namespace chiscsi::test
