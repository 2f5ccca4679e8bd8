/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The offload transport as its module sees it: start, stop and counters.
 *
 * Adapters come by offload_add_backend() (offload/lld.h), before or after the target's portals. The
 * transport makes itself known to the target when the first adapter is there.
 */
#ifndef CHISCSI_OFFLOAD_MODULE_H
#define CHISCSI_OFFLOAD_MODULE_H

#include "os/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** offload_start() - Return: 0, -EEXIST when it runs already, -ENOMEM. Context: process. */
int offload_start(void);
/**
 * offload_stop() - Ends all connections, removes all backends and waits until nothing is left.
 * Context: process, sleeps. Not with a lock that a backend or the target needs.
 */
void offload_stop(void);

/**
 * struct offload_counters - What the transport has done since its start.
 * @adapters: there are now
 * @connections: there are now
 * @conns_offloaded: connections given to the target
 * @conns_refused: connection requests that the adapter was told to drop
 * @conns_failed: ended by the adapter or by what it or the peer sent
 * @aborts: connections that were reset by us
 * @aborts_unanswered: those whose answer did not come in time
 * @rx_pdus: PDUs delivered
 * @rx_bytes: their data segments
 * @placed_pdus: Data-Out PDUs whose data the adapter placed
 * @placed_bytes: their data
 * @place_tasks: commands with placement
 * @no_place_list: R2Ts without placement: buffers do not fit the rule
 * @no_place_pods: no page pods left
 * @no_place_memory: no memory, or memory that the adapter cannot reach
 * @not_placed_pdus: Data-Out PDUs of a placed command whose data came the other way
 * @tx_pdus: PDUs sent, each of a burst counted
 * @tx_bytes: their data segments
 * @iso_wrs: work requests of which the adapter makes several PDUs
 * @iso_pdus: those PDUs
 * @tx_copied: PDUs whose data had to be copied
 * @credits_exhausted: turns that ended for want of credits
 * @header_digest_errors: as said by the adapter
 * @data_digest_errors: as said by the adapter
 * @pad_errors: PDUs whose padding is not zero, as said by the adapter
 * @bad_messages: messages of the adapter that make no sense, or for nobody
 */
struct offload_counters {
	uint64_t adapters;
	uint64_t connections;
	uint64_t conns_offloaded;
	uint64_t conns_refused;
	uint64_t conns_failed;
	uint64_t aborts;
	uint64_t aborts_unanswered;
	uint64_t rx_pdus;
	uint64_t rx_bytes;
	uint64_t placed_pdus;
	uint64_t placed_bytes;
	uint64_t place_tasks;
	uint64_t no_place_list;
	uint64_t no_place_pods;
	uint64_t no_place_memory;
	uint64_t not_placed_pdus;
	uint64_t tx_pdus;
	uint64_t tx_bytes;
	uint64_t iso_wrs;
	uint64_t iso_pdus;
	uint64_t tx_copied;
	uint64_t credits_exhausted;
	uint64_t header_digest_errors;
	uint64_t data_digest_errors;
	uint64_t pad_errors;
	uint64_t bad_messages;
};

/** offload_read_counters() - Context: any. Zero before the start. */
void offload_read_counters(struct offload_counters *counters);

#ifdef __cplusplus
}
#endif
#endif
