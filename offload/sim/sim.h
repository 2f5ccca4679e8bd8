/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The software Terminator: an adapter in software behind offload/lld.h.
 *
 * To the offload code it speaks the adapter's messages, byte for byte; to the network it is TCP by
 * os_socket. Whoever starts it (a test program, a module of its own) makes an adapter by
 * sim_create() and hands sim_backend() to the offload code. It watches what the offload code does:
 * every rule that it sees broken is counted by name and logged. Context of all: process.
 */
#ifndef CHISCSI_OFFLOAD_SIM_H
#define CHISCSI_OFFLOAD_SIM_H

#include "offload/lld.h"
#include "os/socket.h"
#include "os/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SIM_MAX_ADDRESSES 8

enum sim_ack_policy {
	SIM_ACK_COMPLETION, /* When a work request asks for it, and for no others. */
	SIM_ACK_PARTIAL,    /* Any number of credits at any time. */
	SIM_ACK_DELAYED,    /* As the first, some 64 ms later. */
};

/**
 * struct sim_config - An adapter; 0 stands for what is in brackets.
 * @name: for logs; has to outlive the adapter
 * @chip: 5 or 6 (6)
 * @completion_moderation: of chip 6: one message for a burst that was placed
 * @addresses: of its ports; @port means nothing; a wildcard: every address of its family
 * @address_count: of them
 * @wr_credits: of a connection (64)
 * @has_iso: splits Data-In sequences
 * @ppod_size: bytes of page pods (256 KiB)
 * @no_ppods: has none
 * @ppod_llimit: address of the pods in the adapter
 * @iolen: longest PDU (16696)
 * @tag_mask: (one that fits the pods, with two bits to spare)
 * @tid_base: first tid (0)
 * @tid_count: connections (256)
 * @tx_queues, @rx_queues: (2 and 2)
 * @fragment_size: of a message in pages, at most (4096)
 * @cut_headers: fragments also end inside of a message's header
 * @pages_only: no message lies inside the response
 * @ack_policy: when credits come back
 * @bounce: what is placed reaches the memory only by unmap(), as behind an IOMMU
 * @seed: of all that is random (1)
 */
struct sim_config {
	const char *name;
	uint32_t chip;
	uint32_t completion_moderation;
	struct os_address addresses[SIM_MAX_ADDRESSES];
	uint32_t address_count;
	uint32_t wr_credits;
	uint32_t has_iso;
	uint32_t ppod_size;
	uint32_t no_ppods;
	uint32_t ppod_llimit;
	uint32_t iolen;
	uint32_t tag_mask;
	uint32_t tid_base;
	uint32_t tid_count;
	uint32_t tx_queues;
	uint32_t rx_queues;
	uint32_t fragment_size;
	uint32_t cut_headers;
	uint32_t pages_only;
	enum sim_ack_policy ack_policy;
	uint32_t bounce;
	uint64_t seed;
};

/**
 * struct sim_stats - What happened, and what is left over.
 * @violations: broken rules, all together
 * @buffers: messages of buffer_alloc() that were neither sent nor freed, or hold credits
 * @tids, @stids, @l2t, @clip, @pods: in use
 * @pods_valid: slots in adapter memory that are marked as valid
 * @mapped: addresses of map()
 * @pages: references of pages that the client has not put
 * @credits: units of 16 bytes that connections have not got back
 * @connections: since the start
 * @messages: given to cpl_in()
 * @retries: that the client refused for now
 * @pdus_in, @pdus_out: on the wire
 * @placed_pdus, @placed_bytes: by page pods
 * @not_placed: PDUs with a tag for placement that was not good
 * @iso_wrs, @iso_pdus: sequences that were split, and into what
 * @digest_errors: of PDUs received
 * @pod_writes: slots written
 * @acks: FW4_ACK sent
 * @window_stalls: times that a connection was not read for want of returned window
 */
struct sim_stats {
	uint64_t violations;
	uint64_t buffers, tids, stids, l2t, clip, pods, pods_valid, mapped, pages, credits;
	uint64_t connections, messages, retries, pdus_in, pdus_out;
	uint64_t placed_pdus, placed_bytes, not_placed;
	uint64_t iso_wrs, iso_pdus, digest_errors, pod_writes, acks, window_stalls;
};

/** sim_backend() - The table for the offload code; the same for all adapters. */
const struct lld_ops *sim_backend(void);

/**
 * sim_create() - Makes an adapter; the client hears of it now, or when it starts.
 * Return: it, or NULL.
 */
struct lld_device *sim_create(const struct sim_config *config);
/** sim_destroy() - Ends it; a client that still has it hears dev_remove() first. */
void sim_destroy(struct lld_device *dev);

/**
 * sim_fault() - The next @count times it goes wrong.
 * @name: "allocation", "no_pods", "no_map", "arp_failure", "resolving", "open_status",
 *	"open_silent", "close_listener_silent", "header_crc", "data_crc", "pad", "colour",
 *	"lost_ack", "abort_silent", "tcb_silent", "negative_advice", "peer_reset"
 * Return: 0, or -ENOENT for another name.
 */
int sim_fault(struct lld_device *dev, const char *name, uint32_t count);
/** sim_faults_done() - How often it has gone wrong; ~0 for a name that none has. */
uint64_t sim_faults_done(struct lld_device *dev, const char *name);
/** sim_fault_name() - The @index-th fault, or NULL behind the last. */
const char *sim_fault_name(uint32_t index);
/**
 * sim_state() - The adapter changes its state, and the client hears of it. With LLD_STATE_RECOVERY
 * and LLD_STATE_FATAL all connections and what was sent are lost; LLD_STATE_DETACH takes the
 * adapter away from the client.
 */
void sim_state(struct lld_device *dev, enum lld_state state);
/** sim_stats() - As of now; what is under way may be in it or not. */
void sim_stats(struct lld_device *dev, struct sim_stats *stats);
/** sim_violations() - How often one rule was broken; ~0 for a name that none has. */
uint64_t sim_violations(struct lld_device *dev, const char *name);
/** sim_check_name() - The @index-th rule, or NULL behind the last. */
const char *sim_check_name(uint32_t index);

#ifdef __cplusplus
}
#endif
#endif
