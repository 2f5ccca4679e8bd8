/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The low-level driver: what the offload transport needs of a Terminator adapter.
 *
 * The offload code calls nothing but this table. One backend puts it in front of the kernel's cxgb4
 * and libcxgb (offload/linux/), the other is a software adapter that speaks the same messages
 * (offload/sim/). A device belongs to one backend. Messages are those of the adapter, byte for
 * byte (offload/cpl.hh).
 *
 * Context: "process" may sleep; "any" is called from softirq too and must not. No function of a
 * backend may be called with interrupts off, which is to say under an os_spinlock: the kernel's
 * drivers take locks that stop softirqs alone.
 */
#ifndef CHISCSI_OFFLOAD_LLD_H
#define CHISCSI_OFFLOAD_LLD_H

#include "os/socket.h"
#include "os/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The backend's: an adapter, a message to be sent, a route to a peer. */
struct lld_device;
struct lld_buffer;
struct lld_l2t;
struct lld_ops;

#define LLD_MAX_PORTS 4
#define LLD_MAX_RX_QUEUES 32
#define LLD_MTU_COUNT 16
#define LLD_PAGE_SIZES 4

/**
 * struct lld_device_info - What an adapter is; constant while it is there.
 * @name: for logs
 * @chip: 5 or 6
 * @port_count: network ports
 * @rx_queue_count: entries of @rx_queue_ids
 * @tx_queue_count: offload data queues; a control queue exists per port
 * @rx_queue_ids: names of the ingress queues in messages
 * @mtus: the adapter's table of MTUs, ascending
 * @wr_credits: work request credits of a connection, units of 16 bytes
 * @has_iso: the firmware splits Data-In sequences
 * @tid_base: the first tid; @tid_count follow
 * @pf: PCI function, for FLOWC
 * @iscsi_iolen: longest PDU, a register of the adapter
 * @max_fragments: payload fragments a message may have (MAX_SKB_FRAGS)
 * @ppod_start: first byte of the page pods in adapter memory
 * @ppod_llimit: the adapter's lower limit for them; index 0 of a tag is here
 * @ppod_size: bytes; 0: no direct placement
 * @tag_mask: the adapter's mask of tags
 * @page_orders: page sizes for placement, 4 KiB << order
 * @bounces: what the CPU writes into mapped memory may be lost at unmap(): the device has copies
 */
struct lld_device_info {
	const char *name;
	uint32_t chip;
	uint32_t port_count;
	uint32_t rx_queue_count;
	uint32_t tx_queue_count;
	uint16_t rx_queue_ids[LLD_MAX_RX_QUEUES];
	uint16_t mtus[LLD_MTU_COUNT];
	uint32_t wr_credits;
	uint32_t has_iso;
	uint32_t tid_base;
	uint32_t tid_count;
	uint32_t pf;
	uint32_t iscsi_iolen;
	uint32_t max_fragments;
	uint32_t ppod_start;
	uint32_t ppod_llimit;
	uint32_t ppod_size;
	uint32_t tag_mask;
	uint8_t page_orders[LLD_PAGE_SIZES];
	uint32_t bounces;
};

enum lld_state {
	LLD_STATE_UP,       /* Connections are welcome. */
	LLD_STATE_RECOVERY, /* Stop; what was sent is lost. */
	LLD_STATE_DOWN,
	LLD_STATE_DETACH, /* Going away: dev_remove() follows. */
	LLD_STATE_FATAL,
};

/**
 * struct lld_ingress - A message from the adapter.
 * @queue: number of the ingress queue that it came by
 * @bytes: the message inside the response, or NULL: it begins in @fragments, which may cut it
 * @size: of @bytes
 * @fragments: what free-list pages hold: header, then payload; @page is set, @address is not
 * @fragment_count: 0 with @bytes
 */
struct lld_ingress {
	uint32_t queue;
	const uint8_t *bytes;
	uint32_t size;
	const struct os_fragment *fragments;
	uint32_t fragment_count;
};

/**
 * struct lld_client - What the offload code wants to be told. Filled once, given to start().
 */
struct lld_client {
	/**
	 * @dev_add: There is an adapter. Context: process.
	 * Return: the client's handle for it, or NULL: it is not taken.
	 */
	void *(*dev_add)(const struct lld_ops *ops, struct lld_device *dev,
			 const struct lld_device_info *info);
	/** @dev_state: May come at any time after dev_add(). Context: process. */
	void (*dev_state)(void *handle, enum lld_state state);
	/**
	 * @dev_remove: The adapter is gone when this returns; it waits until the client has let go.
	 * The last call but for dev_gone(), and for messages that are under way. Context: process,
	 * may sleep.
	 */
	void (*dev_remove)(void *handle);
	/**
	 * @cpl_in: A message has arrived. With 0 the client owns one reference of each
	 * fragment's page and returns it by page_put(); with another value (out of memory) the
	 * backend keeps all and offers the message again. In the order of each queue.
	 * Context: any.
	 */
	int (*cpl_in)(void *handle, const struct lld_ingress *message);
	/** @poll_end: A round of cpl_in() of one queue is over. Context: any. */
	void (*poll_end)(void *handle, uint32_t queue);
	/**
	 * @dev_gone: No cpl_in(), poll_end() or dev_state() is running any more or follows, and
	 * dev_remove() has returned: what @handle names may be freed. Until then a message may come,
	 * also during dev_remove(). May be NULL. Context: process.
	 */
	void (*dev_gone)(void *handle);
};

/**
 * struct lld_route - How a peer is reached; filled by route_get().
 */
struct lld_route {
	struct lld_l2t *l2t;
	uint32_t l2t_index;
	uint32_t mtu;
	uint32_t port;
	uint32_t tx_channel;
	uint32_t smac_index;
	uint32_t tx_queue;
	uint32_t control_queue;
	uint32_t rx_queue_id;  /* In messages. */
	uint32_t link_mbps;
};

/** struct lld_tag - A run of page pods, by ppods_reserve(). */
struct lld_tag {
	uint32_t tag;        /* As it stands in an R2T. */
	uint32_t first_pod;  /* Its slot: base index included. */
	uint32_t pod_count;
	uint32_t ddp_index;  /* For ppods_release(). */
};

/** Why a message could not be sent to its peer: the next hop does not answer. Context: any. */
typedef void (*lld_arp_failure)(struct lld_buffer *buffer, void *context);

/**
 * struct lld_ops - A backend. All functions are there. Errors are negative errnos.
 */
struct lld_ops {
	const char *name;

	/** @start: The client hears of every adapter, from inside this call on. Context: process. */
	int (*start)(const struct lld_client *client);
	/** @stop: dev_remove() for every adapter, and nothing afterwards. Context: process. */
	void (*stop)(void);

	/* Messages. */
	/**
	 * @buffer_alloc: A message with room for @header_size bytes, which are zero, and
	 * @fragments pieces of payload. NULL without memory. Context: any.
	 */
	struct lld_buffer *(*buffer_alloc)(struct lld_device *dev, uint32_t header_size,
					   uint32_t fragments);
	/** @buffer_header: The header's bytes; valid until it is sent. Context: any. */
	uint8_t *(*buffer_header)(struct lld_buffer *buffer);
	/**
	 * @buffer_add: Appends payload. The memory stays as it is until the credits of the message
	 * have come back. -EINVAL for memory that the adapter cannot reach. Context: any.
	 */
	int (*buffer_add)(struct lld_buffer *buffer, const struct os_fragment *piece);
	void (*buffer_free)(struct lld_buffer *buffer);
	/**
	 * @send: On data queue @queue, or with @control on the control queue. 0: taken; else it
	 * stays the caller's. Messages of one queue keep their order. A
	 * ULP_MEM_IO may also go by a control queue, with flow 0 and without credits. Context: any.
	 */
	int (*send)(struct lld_device *dev, struct lld_buffer *buffer, uint32_t queue, int control);
	/**
	 * @send_l2t: The same, when the next hop is known; @failed may take the message back. What
	 * waits for one next hop keeps its order, whatever the queues. Once a PASS_ACCEPT_RPL has gone
	 * out nothing of its connection waits, until route_put().
	 */
	int (*send_l2t)(struct lld_device *dev, struct lld_buffer *buffer, uint32_t queue,
			int control, struct lld_l2t *l2t, lld_arp_failure failed, void *context);

	/* Pages of ingress messages. Context: any. */
	void (*page_put)(void *page);

	/* Servers. Context: process. */
	/** @owns_address: 1 when @address (or, of a wildcard, any) is one of the adapter's. */
	int (*owns_address)(struct lld_device *dev, const struct os_address *address);
	/** @stid_alloc: A server index, or a negative errno. */
	int (*stid_alloc)(struct lld_device *dev, int is_ipv6, void *data);
	void (*stid_free)(struct lld_device *dev, uint32_t stid, int is_ipv6);
	/** @server_create: Sends CPL_PASS_OPEN_REQ(6); the answer comes by cpl_in(). */
	int (*server_create)(struct lld_device *dev, uint32_t stid,
			     const struct os_address *address);
	/** @server_remove: Sends CPL_CLOSE_LISTSRV_REQ; the answer comes by cpl_in(). */
	int (*server_remove)(struct lld_device *dev, uint32_t stid, int is_ipv6);
	/** @clip_get: Enters a local IPv6 address into the adapter's table; counted. */
	int (*clip_get)(struct lld_device *dev, const struct os_address *address);
	void (*clip_release)(struct lld_device *dev, const struct os_address *address);

	/* Connections. Context: any. */
	void (*tid_insert)(struct lld_device *dev, void *data, uint32_t tid, int is_ipv6);
	/** @tid_remove: Forgets it and sends TID_RELEASE, later if there is no memory. */
	void (*tid_remove)(struct lld_device *dev, uint32_t tid, uint32_t control_queue,
			   int is_ipv6);
	/** @route_get: -EHOSTUNREACH without a route over this adapter. */
	int (*route_get)(struct lld_device *dev, const struct os_address *local,
			 const struct os_address *peer, uint8_t tos, struct lld_route *route);
	void (*route_put)(struct lld_device *dev, struct lld_route *route);
	/** @best_mtu: Index into mtus[] for a path MTU. */
	uint32_t (*best_mtu)(struct lld_device *dev, uint32_t mtu, int timestamps, int is_ipv6);

	/* Page pods. Context: any. */
	/** @ppods_reserve: A run for @pages pages. -ENOSPC when there is none. */
	int (*ppods_reserve)(struct lld_device *dev, uint32_t pages, uint32_t tid,
			     struct lld_tag *tag);
	void (*ppods_release)(struct lld_device *dev, const struct lld_tag *tag);
	/**
	 * @map: A bus address at which the device may write @length bytes of memory that is
	 * contiguous for the CPU. 0: it cannot.
	 */
	uint64_t (*map)(struct lld_device *dev, const struct os_fragment *piece);
	void (*unmap)(struct lld_device *dev, uint64_t bus_address, uint32_t length);
};

/**
 * offload_add_backend() - Exported by the offload module for the software adapter.
 * Context: process. Return: 0, -EEXIST, or what its start() returned.
 */
int offload_add_backend(const struct lld_ops *ops);
/** offload_remove_backend() - Its stop() has returned when this does. Context: process. */
void offload_remove_backend(const struct lld_ops *ops);

#ifdef __cplusplus
}
#endif
#endif
