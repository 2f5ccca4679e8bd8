// SPDX-License-Identifier: GPL-2.0-only
//
// What a class says anew of a device becomes unit attentions for every nexus of its target.
//
// A class may say it in any context, so a message takes it to a worker, which may take the mutexes
// of the registry and of the targets. The Lun knows neither its target nor its number: they are
// looked up, which costs something only when a device has changed.
#include "base/lock.hh"
#include "target/engine.hh"
#include "target/lun/lun.hh"
#include "target/session/attention_inbox.hh"

namespace chiscsi {

namespace {

void tell_of_news(Target& target, uint32_t number, uint32_t news) {
  if ((news & kCapacityNews) != 0) tell_nexuses(target, nullptr, number, kCapacityChanged);
  if ((news & kModeNews) != 0) tell_nexuses(target, nullptr, number, kModeParametersChanged);
  if ((news & kThresholdNews) != 0) tell_nexuses(target, nullptr, number, kSoftThresholdReached);
}

// A Lun whose device has moved, or is moving, speaks for the Lun that is in the target: they share
// the state of the device. False: no target has it.
bool tell_all_targets(const Lun& lun, uint32_t news) {
  bool found = false;
  Registry& registry = Engine::instance().registry();
  for (Ref<Target> target = registry.next_target(Ref<Target>()); target;
       target = registry.next_target(target)) {
    uint32_t generation;
    const Ref<LunMap> luns = target->luns(&generation);
    for (uint32_t number = 0; number < luns->list().size(); ++number) {
      if (!luns->list()[number]->shares_state(lun)) continue;
      tell_of_news(*target, number, news);
      found = true;
    }
  }
  return found;
}

}  // namespace

void Lun::post_news(Worker& worker) {
  ref();  // The message's.
  if (!news_message_.request(worker)) unref();
}

void Lun::announce_news(Worker& worker) {
  if (news_.load() != 0) post_news(worker);
}

// What an initiator that knew the device as `before` believes wrongly.
uint32_t Lun::differences(const Lun& before) const {
  if (!has_geometry() || !before.has_geometry()) return 0;
  const bool capacity = blocks() != before.blocks() || block_size() != before.block_size();
  const uint32_t changed =
      flags_.load(std::memory_order_relaxed) ^ before.flags_.load(std::memory_order_relaxed);
  const bool modes = (changed & ~kSilentFlags) != 0 || is_read_only() != before.is_read_only();
  return (capacity ? kCapacityNews : 0u) | (modes ? kModeNews : 0u);
}

// The message is posted in any case: the other's may be on its way and find no target with it.
void Lun::succeed(Ref<Lun> before, Worker& worker) {
  news_.fetch_or(differences(*before));
  {
    SpinGuard guard(geometry_lock_);
    std::swap(before_, before);
  }
  post_news(worker);
}

void Lun::on_news(WorkerMessage& message) {
  PostedOnce& posted = PostedOnce::of(message);
  posted.begin();
  // The reference that whoever posted it took for the message.
  const Ref<Lun> lun = Ref<Lun>::adopt(&container_of(posted, &Lun::news_message_));
  Ref<Lun> before;
  {
    SpinGuard guard(lun->geometry_lock_);
    std::swap(before, lun->before_);
  }
  const uint32_t inherited = before ? before->take_news() : 0;
  const uint32_t news = lun->take_news() | inherited;
  // Of a device that is not there yet the Lun keeps them. All of this runs on one worker, one after
  // the other.
  if (news != 0 && !tell_all_targets(*lun, news)) lun->news_.fetch_or(news);
}

}  // namespace chiscsi
