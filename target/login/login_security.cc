// SPDX-License-Identifier: GPL-2.0-only
//
// Login: the security stage. Chooses the authentication method, walks CHAP through its steps, and
// finds the account of a name, in the target's settings or from the storage driver. No way out of
// the stage leads past check_security_skipped(). See login.hh and chap.hh.
#include "target/login/login.hh"

#include "os/memory.h"
#include "target/config/word_list.hh"

namespace chiscsi {

namespace login_security_detail {

constexpr size_t kMaxChapName = 255;

Text text_until_nul(const unsigned char* chars, size_t room) {
  size_t size = 0;
  while (size < room && chars[size] != 0)
    ++size;
  return {reinterpret_cast<const char*>(chars), size};
}

bool has_flags(const chap_info& info, unsigned flags) { return (info.flag & flags) == flags; }

}  // namespace login_security_detail

const AuthSettings& Login::auth() {
  return is_discovery() ? host_.discovery_auth() : lookup_.settings->auth();
}

// CHAP needs somebody who can log in with it; else it is as if we did not know it.
bool Login::is_allowed(AuthMethod method) {
  if (!auth().methods.contains(method)) return false;
  return method == AuthMethod::kNone || has_chap_hook() || !auth().initiators.empty();
}

// Whether the login may leave, or go without, the security stage.
LoginVerdict Login::check_security_skipped() {
  if (chap_.succeeded() ||
      (chap_.state() == ChapExchange::State::kUnused && is_allowed(AuthMethod::kNone))) {
    return LoginVerdict::ok();
  }
  return LoginVerdict::not_authenticated("authentication is required");
}

LoginVerdict Login::take_security_keys(TextWriter& answer) {
  if (!offered_.has(TextKey::kAuthMethod)) return advance_chap(answer);
  const LoginVerdict verdict = chap_.check_step(offered_);
  if (!verdict.is_ok()) return verdict;  // Keys of a method together with its choice.
  return choose_auth_method(offered_.value(TextKey::kAuthMethod), answer);
}

LoginVerdict Login::choose_auth_method(Text offer, TextWriter& answer) {
  WordList words(offer);
  for (Text word; words.next(&word);) {
    AuthMethod method = AuthMethod::kNone;
    if (!parse_auth_method(word, &method) || !is_allowed(method)) continue;
    answer.pair("AuthMethod", word);
    if (method == AuthMethod::kChap) chap_.start();
    return LoginVerdict::ok();
  }
  return LoginVerdict::not_authenticated("no method in common", "AuthMethod");
}

LoginVerdict Login::advance_chap(TextWriter& answer) {
  const LoginVerdict verdict = chap_.check_step(offered_);
  if (!verdict.is_ok()) return verdict;
  switch (chap_.state()) {
    case ChapExchange::State::kAwaitAlgorithm:
      return chap_.challenge(offered_.value(TextKey::kChapA), auth().challenge_length, answer);
    case ChapExchange::State::kAwaitResponse:
      return verify_response(answer);
    default:
      return LoginVerdict::ok();
  }
}

LoginVerdict Login::verify_response(TextWriter& answer) {
  const Text name = offered_.value(TextKey::kChapN);
  const LoginVerdict verdict = verify_account(name, answer);
  // No account has a name that does not fit.
  if (verdict.is_ok()) session_.chap_name.assign(name);
  return verdict;
}

LoginVerdict Login::verify_account(Text name, TextWriter& answer) {
  ChapCredentials credentials;
  credentials.mutual_required = auth().policy == ChapPolicy::kMutual;
  if (!has_chap_hook()) {
    look_up_account(name, &credentials);
    return chap_.verify(offered_, credentials, answer);
  }
  OwnPtr<chap_info> info = make<chap_info>(Alloc::kMaySleep);
  if (!info) return LoginVerdict::out_of_resources("no memory for an account");
  LoginVerdict verdict = ask_driver_for_account(name, info.get(), &credentials);
  if (verdict.is_ok()) verdict = chap_.verify(offered_, credentials, answer);
  os_wipe(info.get(), sizeof(*info));
  return verdict;
}

// Walks over all accounts whatever it finds: the time tells nothing about the name.
void Login::look_up_account(Text name, ChapCredentials* credentials) {
  for (const ChapAccount& account : auth().initiators) {
    if (account.name != name) continue;
    credentials->known = true;
    credentials->remote_secret = account.secret.bytes();
  }
  credentials->local_name = auth().target.name;
  credentials->local_secret = auth().target.secret.bytes();
}

LoginVerdict Login::ask_driver_for_account(Text name, chap_info* info,
                                           ChapCredentials* credentials) {
  namespace detail = login_security_detail;
  if (name.empty() || name.size() > detail::kMaxChapName) return LoginVerdict::ok();  // Unknown.
  __builtin_memcpy(info->remote_name, name.data(), name.size());
  info->flag = CHAP_FLAG_REMOTE_NAME_VALID;
  if (!host_.chap_info(session_, info)) return LoginVerdict::ok();
  if (info->remote_secret_length > CHAP_SECRET_MAX || info->local_secret_length > CHAP_SECRET_MAX) {
    return {iscsi::LoginStatus::kTargetError, "the storage driver's CHAP secret is too long",
            nullptr};
  }
  credentials->known =
      detail::has_flags(*info, CHAP_FLAG_REMOTE_SECRET_VALID) && info->remote_secret_length != 0;
  credentials->remote_secret = {info->remote_secret, info->remote_secret_length};
  if (detail::has_flags(*info, CHAP_FLAG_LOCAL_NAME_VALID | CHAP_FLAG_LOCAL_SECRET_VALID)) {
    credentials->local_name = detail::text_until_nul(info->local_name, CHAP_NAME_MAX - 1);
    credentials->local_secret = {info->local_secret, info->local_secret_length};
  }
  if (detail::has_flags(*info, CHAP_FLAG_MUTUAL_REQUIRED)) credentials->mutual_required = true;
  return LoginVerdict::ok();
}

}  // namespace chiscsi
