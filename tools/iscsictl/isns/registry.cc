// SPDX-License-Identifier: GPL-2.0-only
//
// Registrations and queries. See registry.hh.
#include "isns/registry.hh"

#include <algorithm>
#include <cstring>

namespace isns {

namespace {

constexpr auto kPatience = std::chrono::seconds(10);
constexpr uint32_t kInquiryInterval = 60;  // Seconds; the server may choose another one.
// No server has a reason to answer with more.
constexpr size_t kMaxInitiators = 65536;

std::vector<Portal> all_portals(const std::vector<TargetNode>& targets) {
  std::vector<Portal> portals;
  for (const TargetNode& target : targets) {
    for (const PortalGroup& group : target.groups) {
      for (const Portal& portal : group.portals) {
        if (std::find(portals.begin(), portals.end(), portal) == portals.end())
          portals.push_back(portal);
      }
    }
  }
  return portals;
}

void put_groups(Writer& writer, const TargetNode& target) {
  for (const PortalGroup& group : target.groups) {
    for (const Portal& portal : group.portals) {
      writer.text(Tag::kGroupNodeName, target.name)
          .address(Tag::kGroupPortalAddress, portal.address)
          .number(Tag::kGroupPortalPort, portal.port)
          .number(Tag::kGroupTag, group.tag);
    }
  }
}

// Nobody can log in with a name that is no text, and it says nothing about the names beside it.
void add_name(const Attribute& attribute, std::vector<std::string>* names) {
  try {
    names->push_back(attribute.text());
  } catch (const ProtocolError&) {
  }
}

}  // namespace

bool Portal::operator==(const Portal& other) const {
  return port == other.port && std::memcmp(&address, &other.address, sizeof(address)) == 0;
}

Registry::Registry(const Endpoint& server, std::string entity, uint16_t callback_port)
    : stream_(Stream::connect(server, Clock::now() + kPatience)),
      entity_(std::move(entity)),
      callback_port_(callback_port) {}

std::vector<uint8_t> Registry::call(Function function, uint16_t flags, std::vector<uint8_t> payload,
                                    const char* what) {
  Message request;
  request.function = static_cast<uint16_t>(function);
  request.flags = static_cast<uint16_t>(Header::kClient | flags);
  request.transaction = ++transaction_;
  request.payload = std::move(payload);
  const auto deadline = Clock::now() + kPatience;
  stream_.send(request.encode(), deadline);
  Message answer = stream_.receive(deadline);
  if (answer.function != (request.function | kResponseBit) ||
      answer.transaction != request.transaction) {
    throw ProtocolError("the server answers something else");
  }
  std::span<const uint8_t> rest;
  const Status status = split_status(answer.payload, &rest);
  if (status != Status::kSuccess) throw Refused(what, status);
  return {rest.begin(), rest.end()};
}

void Registry::publish(const std::vector<TargetNode>& targets, uint32_t period_s) {
  try {
    register_all(targets, period_s, true);
  } catch (const Refused& refused) {
    if (refused.status != Status::kEsiNotAvailable) throw;
    register_all(targets, period_s, false);
  }
  for (const TargetNode& target : targets)
    watch(target.name);
}

void Registry::register_all(const std::vector<TargetNode>& targets, uint32_t period_s,
                            bool with_inquiries) {
  Writer writer;
  writer.text(Tag::kNodeName, targets.front().name)
      .text(Tag::kEntityIdentifier, entity_)
      .delimiter();
  writer.text(Tag::kEntityIdentifier, entity_).number(Tag::kEntityProtocol, kProtocolIscsi);
  writer.number(Tag::kRegistrationPeriod, period_s);
  for (const Portal& portal : all_portals(targets)) {
    writer.address(Tag::kPortalAddress, portal.address).number(Tag::kPortalPort, portal.port);
    if (with_inquiries) {
      writer.number(Tag::kEsiInterval, kInquiryInterval).number(Tag::kEsiPort, callback_port_);
    }
    writer.number(Tag::kScnPort, callback_port_);
  }
  for (const TargetNode& target : targets) {
    writer.text(Tag::kNodeName, target.name).number(Tag::kNodeType, kNodeTarget);
    if (!target.alias.empty()) writer.text(Tag::kNodeAlias, target.alias);
  }
  for (const TargetNode& target : targets)
    put_groups(writer, target);
  call(Function::kRegister, Header::kReplace, writer.take(), "registration");
}

// Asks to be told when initiators of the target's domains come and go.
void Registry::watch(const std::string& target) {
  Writer writer;
  writer.text(Tag::kNodeName, target).text(Tag::kNodeName, target).delimiter();
  writer.number(Tag::kScnBitmap, kScnInitiatorChanges);
  call(Function::kScnRegister, 0, writer.take(), "request for notifications");
}

void Registry::remove_entity(const std::string& source) {
  Writer writer;
  writer.text(Tag::kNodeName, source).delimiter().text(Tag::kEntityIdentifier, entity_);
  call(Function::kDeregister, 0, writer.take(), "deregistration");
}

void Registry::remove_node(const std::string& source, const std::string& name) {
  Writer writer;
  writer.text(Tag::kNodeName, source).delimiter().text(Tag::kNodeName, name);
  call(Function::kDeregister, 0, writer.take(), "deregistration");
}

std::vector<std::string> Registry::initiators_of(const std::string& target) {
  Writer writer;
  writer.text(Tag::kNodeName, target).number(Tag::kNodeType, kNodeInitiator).delimiter();
  writer.empty(Tag::kNodeName).empty(Tag::kNodeType);
  std::vector<uint8_t> payload;
  try {
    payload = call(Function::kQuery, 0, writer.take(), "query");
  } catch (const Refused& refused) {
    if (refused.status != Status::kNoSuchEntry) throw;
    return {};
  }
  std::vector<std::string> names;
  bool behind_key = false;
  for (const Attribute& attribute : parse_attributes(payload)) {
    if (attribute.tag == Tag::kDelimiter) behind_key = true;
    if (!behind_key || attribute.tag != Tag::kNodeName || attribute.value.empty()) continue;
    if (names.size() == kMaxInitiators) throw ProtocolError("more initiators than can be");
    add_name(attribute, &names);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace isns
