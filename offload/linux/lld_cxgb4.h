/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files lld_*.c share: the backend of offload/lld.h over the kernel's cxgb4 and libcxgb.
 *
 * Each function of the table lives in the file of its theme: lld_cxgb4.c adapters that come and go,
 * lld_rx.c and lld_tx.c messages, lld_route.c addresses, routes and indices, lld_ddp.c page pods.
 */
#ifndef CHISCSI_OFFLOAD_LINUX_LLD_CXGB4_H
#define CHISCSI_OFFLOAD_LINUX_LLD_CXGB4_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/netdevice.h>

#include "cxgb4.h"
#include "cxgb4_uld.h"
#include "libcxgb_ppm.h"

#include "offload/lld.h"

#define LLD_NAME_SIZE 32

/**
 * struct lld_device - an adapter that cxgb4 has given us.
 * @lldi: what cxgb4 said about it; constant
 * @node: in the list of all, guarded by its mutex
 * @name: of @info
 * @info: what the client was told; constant
 * @handle: the client's, or NULL while it does not have the adapter
 * @up: messages can be sent
 * @ppm: libcxgb's page pods, shared with the initiator driver, or NULL
 * @runs: a bit for each slot with which a run of ours begins
 * @next_tx: counts on which of its queues a port's next connection sends
 * @next_rx: likewise receives
 */
struct lld_device {
	struct cxgb4_lld_info lldi;
	struct list_head node;
	char name[LLD_NAME_SIZE];
	struct lld_device_info info;
	void *handle;
	bool up;
	struct cxgbi_ppm *ppm;
	unsigned long *runs;
	atomic_t next_tx[LLD_MAX_PORTS];
	atomic_t next_rx[LLD_MAX_PORTS];
};

/* lld_cxgb4.c */
extern const struct lld_client *lld_client;

/* lld_rx.c: cxgb4 calls these in softirq, see struct cxgb4_uld_info. */
int lld_receive(void *handle, const __be64 *rsp, const struct pkt_gl *gl,
		struct t4_lro_mgr *lro_mgr, struct napi_struct *napi);
void lld_poll_end(struct t4_lro_mgr *lro_mgr);
void lld_page_put(void *page);

/* lld_tx.c */
struct lld_buffer *lld_buffer_alloc(struct lld_device *dev, u32 header_size, u32 fragments);
u8 *lld_buffer_header(struct lld_buffer *buffer);
int lld_buffer_add(struct lld_buffer *buffer, const struct os_fragment *piece);
void lld_buffer_free(struct lld_buffer *buffer);
int lld_send(struct lld_device *dev, struct lld_buffer *buffer, u32 queue, int control);
int lld_send_l2t(struct lld_device *dev, struct lld_buffer *buffer, u32 queue, int control,
		 struct lld_l2t *l2t, lld_arp_failure failed, void *context);

/* lld_route.c */
int lld_owns_address(struct lld_device *dev, const struct os_address *address);
int lld_stid_alloc(struct lld_device *dev, int is_ipv6, void *data);
void lld_stid_free(struct lld_device *dev, u32 stid, int is_ipv6);
int lld_server_create(struct lld_device *dev, u32 stid, const struct os_address *address);
int lld_server_remove(struct lld_device *dev, u32 stid, int is_ipv6);
int lld_clip_get(struct lld_device *dev, const struct os_address *address);
void lld_clip_release(struct lld_device *dev, const struct os_address *address);
void lld_tid_insert(struct lld_device *dev, void *data, u32 tid, int is_ipv6);
void lld_tid_remove(struct lld_device *dev, u32 tid, u32 control_queue, int is_ipv6);
int lld_route_get(struct lld_device *dev, const struct os_address *local,
		  const struct os_address *peer, u8 tos, struct lld_route *route);
void lld_route_put(struct lld_device *dev, struct lld_route *route);
u32 lld_best_mtu(struct lld_device *dev, u32 mtu, int timestamps, int is_ipv6);

/* lld_ddp.c */
/**
 * lld_ddp_start() - gets the page pods and fills in their part of @info; none if there are none.
 * Return: 0, or a negative errno: the adapter cannot do iSCSI. Context: process.
 */
int lld_ddp_start(struct lld_device *dev);
/** lld_ddp_stop() - gives them back; none of ours is in use. Context: process. */
void lld_ddp_stop(struct lld_device *dev);
int lld_ppods_reserve(struct lld_device *dev, u32 pages, u32 tid, struct lld_tag *tag);
void lld_ppods_release(struct lld_device *dev, const struct lld_tag *tag);
u64 lld_map(struct lld_device *dev, const struct os_fragment *piece);
void lld_unmap(struct lld_device *dev, u64 bus_address, u32 length);

#endif
