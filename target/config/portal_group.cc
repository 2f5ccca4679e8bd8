// SPDX-License-Identifier: GPL-2.0-only
//
// See portal_group.hh.
#include "target/config/portal_group.hh"

#include "target/config/address.hh"
#include "target/config/number.hh"
#include "target/config/word_list.hh"

namespace chiscsi {

namespace portal_group_detail {

constexpr char kKey[] = "PortalGroup";
constexpr char kTimeout[] = "timeout=";
constexpr uint32_t kMaxTimeout = 86400;
constexpr uint32_t kMaxPortals = 1024;  // Of a target: each is compared with all others.
constexpr size_t kNoGroup = ~size_t{0};

Status bad(ConfigError* error, Text what, Text value) {
  error->at(kKey).add(what).add(" ").add_quoted(value);
  return Error::kInvalid;
}

bool parse_tag(Text text, uint16_t* tag) {
  uint32_t value = 0;
  if (!parse_number_in_range(text, NumberSyntax::kDecimal, 1, 65535, &value)) return false;
  *tag = static_cast<uint16_t>(value);
  return true;
}

// A tag list, unlike an IPv6 address, holds digits, commas and blanks only.
bool is_tag_list(Text field) {
  if (field.size() < 2 || field[0] != '[' || field[field.size() - 1] != ']') return false;
  for (const char c : field.skip(1).first(field.size() - 2)) {
    if (!(c >= '0' && c <= '9') && c != ',' && c != ' ') return false;
  }
  return true;
}

// Cuts off the field before the next comma that is not inside brackets.
Text take_field(Text* rest) {
  bool inside = false;
  for (size_t i = 0; i < rest->size(); ++i) {
    const char c = (*rest)[i];
    if (c == '[') inside = true;
    if (c == ']') inside = false;
    if (c != ',' || inside) continue;
    const Text field = rest->first(i);
    // A comma at the very end leaves an empty field behind, which is then refused.
    *rest = i + 1 == rest->size() ? Text(",", 1) : rest->skip(i + 1);
    return field;
  }
  const Text field = *rest;
  *rest = Text();
  return field;
}

Text trim_blanks(Text text) {
  while (!text.empty() && text[0] == ' ')
    text = text.skip(1);
  while (!text.empty() && text[text.size() - 1] == ' ')
    text = text.first(text.size() - 1);
  return text;
}

Status parse_tag_list(Text field, PortalGroupSettings* group, ConfigError* error) {
  WordList words(field.skip(1).first(field.size() - 2));
  for (Text word; words.next(&word);) {
    uint16_t tag = 0;
    if (!parse_tag(trim_blanks(word), &tag))
      return bad(error, "wants tags from 1 to 65535 to redirect to, not", word);
    if (group->redirect_tags.contains(tag))
      return bad(error, "wants each tag to redirect to once, not again", word);
    CHISCSI_TRY(group->redirect_tags.append(tag));
  }
  return {};
}

Status parse_field(Text field, PortalGroupSettings* group, bool* has_timeout, ConfigError* error) {
  if (group->redirects()) return bad(error, "the tag list has to come last, not before", field);
  if (is_tag_list(field)) return parse_tag_list(field, group, error);
  if (field.starts_with(kTimeout)) {
    const Text value = field.skip(sizeof(kTimeout) - 1);
    if (*has_timeout ||
        !parse_number_in_range(value, NumberSyntax::kDecimal, 0, kMaxTimeout, &group->timeout_s)) {
      return bad(error, "timeout has to be given once, as 0 to 86400 seconds, not as", value);
    }
    *has_timeout = true;
    return {};
  }
  os_address portal = {};
  if (!parse_ip_and_port(field, &portal))
    return bad(error, "wants <ip>[:<port 1-65535>], IPv6 in brackets, not", field);
  return group->portals.append(portal);
}

bool shares_portal(const PortalGroupSettings& a, const PortalGroupSettings& b, os_address* portal) {
  for (size_t i = 0; i < a.portals.size(); ++i) {
    // Within one group a portal is compared with those behind it.
    for (size_t j = &a == &b ? i + 1 : 0; j < b.portals.size(); ++j) {
      if (!same_endpoint(a.portals[i], b.portals[j])) continue;
      *portal = a.portals[i];
      return true;
    }
  }
  return false;
}

// The place of the group, or kNoGroup.
size_t find_group(Span<const PortalGroupSettings> groups, uint16_t tag) {
  size_t place = 0;
  while (place < groups.size() && groups[place].tag != tag)
    ++place;
  return place < groups.size() ? place : kNoGroup;
}

Status check_pair(const PortalGroupSettings& a, const PortalGroupSettings& b, ConfigError* error) {
  os_address portal = {};
  if (&a != &b && a.tag == b.tag) {
    error->at(kKey).add("tag ").add_number(a.tag).add(" is given twice");
    return Error::kInvalid;
  }
  if (shares_portal(a, b, &portal)) {
    return bad(error, "portal given twice", format_ip_and_port(portal).text());
  }
  return {};
}

Status check_redirection(const PortalGroupSettings& group, Span<const PortalGroupSettings> groups,
                         ConfigError* error) {
  for (const uint16_t tag : group.redirect_tags) {
    if (tag != group.tag && find_group(groups, tag) != kNoGroup) continue;
    error->at(kKey).add("group ").add_number(group.tag).add(" redirects to ").add_number(tag);
    error->add(tag == group.tag ? ", which is itself" : ", which does not exist");
    return Error::kInvalid;
  }
  return {};
}

// A login that is sent on from group to group has to arrive somewhere. Each group is looked at
// once, after all to which it redirects: one that is met again while it waits for these is in a
// circle.
class CircleSearch {
 public:
  CircleSearch(Span<const PortalGroupSettings> groups, ConfigError* error)
      : groups_(groups), error_(error) {}

  Status run() {
    for (size_t i = 0; i < groups_.size(); ++i)
      CHISCSI_TRY(looks_.append(Look::kNotYet));
    for (size_t i = 0; i < groups_.size(); ++i) {
      if (looks_[i] == Look::kNotYet) CHISCSI_TRY(follow(i));
    }
    return {};
  }

 private:
  enum class Look : uint8_t { kNotYet, kWaits, kDone };
  struct Step {
    size_t group;
    size_t next = 0;  // Of its tags to redirect to.
  };

  // A way of up to kMaxPortals groups is too long for the stack.
  Status follow(size_t start) {
    CHISCSI_TRY(enter(start));
    while (depth_ != 0) {
      Step& step = way_[depth_ - 1];
      const GrowableArray<uint16_t>& tags = groups_[step.group].redirect_tags;
      if (step.next == tags.size()) {
        looks_[step.group] = Look::kDone;
        --depth_;
        continue;
      }
      const size_t to = find_group(groups_, tags[step.next++]);
      if (looks_[to] == Look::kWaits) return refuse(to);
      if (looks_[to] == Look::kNotYet) CHISCSI_TRY(enter(to));
    }
    return {};
  }

  Status enter(size_t group) {
    looks_[group] = Look::kWaits;
    if (depth_ == way_.size()) CHISCSI_TRY(way_.append(Step()));
    way_[depth_++] = Step{group};
    return {};
  }

  Status refuse(size_t group) {
    size_t at = 0;
    while (way_[at].group != group)
      ++at;
    error_->at(kKey).add("redirection goes in a circle, from group ");
    for (; at < depth_; ++at)
      error_->add_number(groups_[way_[at].group].tag).add(" to ");
    error_->add_number(groups_[group].tag);
    return Error::kInvalid;
  }

  const Span<const PortalGroupSettings> groups_;
  ConfigError* const error_;
  GrowableArray<Look> looks_;  // Of each group.
  GrowableArray<Step> way_;
  size_t depth_ = 0;  // The steps of the way that is being followed.
};

}  // namespace portal_group_detail

bool PortalGroupSettings::has_portal(const os_address& local) const {
  for (const os_address& portal : portals) {
    if (portal.port != local.port || portal.is_ipv6 != local.is_ipv6) continue;
    if (is_wildcard(portal) || same_ip(portal, local)) return true;
  }
  return false;
}

Status parse_portal_group(Text value, PortalGroupSettings* group, ConfigError* error) {
  namespace detail = portal_group_detail;
  Text rest = value;
  const bool has_tag = rest.find('@') != Text::kNotFound;
  const Text tag = rest.take_until('@');
  if (!has_tag || !detail::parse_tag(tag, &group->tag)) {
    return detail::bad(error, "wants <tag 1-65535>@<ip>[:<port>]..., not", value);
  }
  bool has_timeout = false;
  while (!rest.empty()) {
    const Text field = detail::take_field(&rest);
    CHISCSI_TRY(detail::parse_field(field, group, &has_timeout, error));
  }
  if (group->portals.empty())
    return detail::bad(error, "wants at least one address behind the @, not", value);
  return {};
}

Status check_portal_groups(Span<const PortalGroupSettings> groups, ConfigError* error) {
  namespace detail = portal_group_detail;
  size_t portals = 0;
  for (const PortalGroupSettings& group : groups)
    portals += group.portals.size();
  if (portals > detail::kMaxPortals) {
    error->at(detail::kKey).add("more than ").add_number(detail::kMaxPortals).add(" portals");
    return Error::kInvalid;
  }
  for (size_t i = 0; i < groups.size(); ++i) {
    for (size_t j = i; j < groups.size(); ++j) {
      CHISCSI_TRY(detail::check_pair(groups[i], groups[j], error));
    }
    CHISCSI_TRY(detail::check_redirection(groups[i], groups, error));
  }
  return detail::CircleSearch(groups, error).run();
}

}  // namespace chiscsi
