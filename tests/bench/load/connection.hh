// SPDX-License-Identifier: GPL-2.0-only
//
// One TCP connection that carries iSCSI PDUs, never blocking: PDUs are put together for sending and
// taken apart as they come, with their digests. Every mishap is a SessionError.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "iscsi/bhs.hh"

namespace chiscsi::load {

// What ends a session; the text is counted in the report.
class SessionError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Address {
  sockaddr_storage storage = {};
  socklen_t size = 0;
};

// A numeric address, IPv4 or IPv6. False: neither.
bool parse_address(const std::string& text, uint16_t port, Address& address);

uint64_t now_ns();

// CRC32C as on the wire, RFC 7143 section 13.1.
uint32_t crc32c(const void* data, size_t size);

// A PDU as it lies in the receive buffer.
struct PduView {
  iscsi::Bhs bhs;
  const uint8_t* data;
  uint32_t size;
};

class Connection {
 public:
  Connection() = default;
  ~Connection() { close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Begins to connect; writable() tells when it has.
  void open(int poller, void* owner, const Address& to, const Address* from);
  void close();
  bool is_open() const { return fd_ >= 0; }
  // The connection is writable for the first time: throws if it could not be made.
  void finish_open();

  // Queues a PDU; the lengths in the header are filled in.
  void add(iscsi::Bhs bhs, const void* data = nullptr, uint32_t size = 0);
  // Sends what the socket takes; the poller is asked to tell when it takes more.
  void flush();
  // Receives once and hands every whole PDU to `taker`, which may close the connection.
  template <typename Taker>
  void receive(Taker&& taker) {
    if (!receive_some()) return;
    PduView pdu = {};
    while (fd_ >= 0 && next_pdu(pdu))
      taker(pdu);
    keep_rest();
  }

  bool header_digest = false;
  bool data_digest = false;

 private:
  bool receive_some();
  bool next_pdu(PduView& pdu);
  void keep_rest();
  void ask_poller(uint32_t events);

  int fd_ = -1;
  int poller_ = -1;
  void* owner_ = nullptr;
  uint32_t asked_ = 0;
  std::vector<uint8_t> out_;
  size_t sent_ = 0;
  std::vector<uint8_t> rest_;  // The start of a PDU that has not come as a whole.
  const uint8_t* next_ = nullptr;
  size_t left_ = 0;
};

}  // namespace chiscsi::load
