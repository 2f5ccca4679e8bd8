// SPDX-License-Identifier: GPL-2.0-only
//
// What a target host tells an iSNS server and asks of it (RFC 4171 sections 5.6 and 6).
#pragma once

#include <netinet/in.h>

#include <string>
#include <vector>

#include "isns/stream.hh"

namespace isns {

// An IPv4 address is mapped into IPv6.
struct Portal {
  in6_addr address;
  uint16_t port;
  bool operator==(const Portal& other) const;
};

struct PortalGroup {
  uint16_t tag;
  std::vector<Portal> portals;
  bool operator==(const PortalGroup&) const = default;
};

struct TargetNode {
  std::string name;
  std::string alias;  // May be empty.
  std::vector<PortalGroup> groups;
  bool operator==(const TargetNode&) const = default;
};

// One connection to a server and the entity that it registers. Every member may throw NetworkError,
// ProtocolError or Refused; the object is of no use after the first two.
class Registry {
 public:
  struct Refused : std::runtime_error {
    Refused(const std::string& what, Status given)
        : std::runtime_error(what + ": the server says: " + describe(given) + " (" +
                             std::to_string(static_cast<uint32_t>(given)) + ")"),
          status(given) {}
    Status status;
  };
  // Where the server reaches us: the TCP port that takes its inquiries and notifications.
  Registry(const Endpoint& server, std::string entity, uint16_t callback_port);

  // The entity afterwards consists of exactly these; `targets` is not empty.
  void publish(const std::vector<TargetNode>& targets, uint32_t period_s);
  void remove_entity(const std::string& source);
  void remove_node(const std::string& source, const std::string& name);
  // Names of the initiators that share a discovery domain with `target`; what is no text is left
  // out.
  std::vector<std::string> initiators_of(const std::string& target);

 private:
  std::vector<uint8_t> call(Function function, uint16_t flags, std::vector<uint8_t> payload,
                            const char* what);
  void register_all(const std::vector<TargetNode>& targets, uint32_t period_s, bool with_inquiries);
  void watch(const std::string& target);

  Stream stream_;
  std::string entity_;
  uint16_t callback_port_;
  uint16_t transaction_ = 0;
};

}  // namespace isns
