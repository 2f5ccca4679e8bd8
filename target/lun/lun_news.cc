// SPDX-License-Identifier: GPL-2.0-only
//
// What a class says anew of a device becomes unit attentions for every nexus of its target.
//
// A class may say it in any context, so a message takes it to a worker, which may take the mutexes
// of the registry and of the targets. The Lun knows neither its target nor its number: they are
// looked up, which costs something only when a device has changed.
#include "target/engine.hh"
#include "target/lun/lun.hh"
#include "target/session/attention_inbox.hh"

namespace chiscsi {

namespace {

void tell_of_news(Target& target, uint32_t number, uint32_t news) {
  if ((news & kCapacityNews) != 0) tell_nexuses(target, nullptr, number, kCapacityChanged);
  if ((news & kModeNews) != 0) tell_nexuses(target, nullptr, number, kModeParametersChanged);
}

}  // namespace

void Lun::announce_news(Worker& worker) {
  if (news_.load() == 0) return;
  ref();  // The message's.
  if (!news_message_.request(worker)) unref();
}

void Lun::on_news(WorkerMessage& message) {
  PostedOnce& posted = PostedOnce::of(message);
  posted.begin();
  // The reference that whoever posted it took for the message.
  const Ref<Lun> lun = Ref<Lun>::adopt(&container_of(posted, &Lun::news_message_));
  const uint32_t news = lun->news_.exchange(0);
  Registry& registry = Engine::instance().registry();
  for (Ref<Target> target = registry.next_target(Ref<Target>()); target;
       target = registry.next_target(target)) {
    uint32_t generation;
    const Ref<LunMap> luns = target->luns(&generation);
    for (uint32_t number = 0; number < luns->list().size(); ++number) {
      if (luns->list()[number].get() == lun.get()) tell_of_news(*target, number, news);
    }
  }
}

}  // namespace chiscsi
