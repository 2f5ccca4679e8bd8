// SPDX-License-Identifier: GPL-2.0-only
/*
 * Load and unload of chiscsi_cxgb4_sim.ko: one software adapter, as its parameters say.
 *
 * Called by the kernel's module loader, in the process context of insmod and rmmod. A parameter that
 * makes no sense stops the load with one line that names it. For tests alone, never installed: the
 * offload transport cannot tell this adapter from a real one, and it carries its data by sockets.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/inet.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/string.h>

#include "common/chiscsi_version.h"
#include "offload/lld.h"
#include "offload/sim/linux/glue.h"
#include "offload/sim/sim.h"
#include "target/linux/glue.h"

static char *addresses[SIM_MAX_ADDRESSES] = { "127.0.0.1" };
static int address_count = 1;
module_param_array(addresses, charp, &address_count, 0444);
MODULE_PARM_DESC(addresses, "of its ports, with commas; 0.0.0.0 or ::, all of the family (127.0.0.1)");

static uint chip = 6;
module_param(chip, uint, 0444);
MODULE_PARM_DESC(chip, "5 or 6 (6)");

static bool moderation = true;
module_param(moderation, bool, 0444);
MODULE_PARM_DESC(moderation, "chip 6 tells of a burst that was placed once (Y)");

static bool iso = true;
module_param(iso, bool, 0444);
MODULE_PARM_DESC(iso, "splits Data-In sequences (Y)");

static uint credits;
module_param(credits, uint, 0444);
MODULE_PARM_DESC(credits, "of a connection, units of 16 bytes; 0: a card's (0)");

static uint tids;
module_param(tids, uint, 0444);
MODULE_PARM_DESC(tids, "connections; 0: some hundreds (0)");

static uint ppods;
module_param(ppods, uint, 0444);
MODULE_PARM_DESC(ppods, "bytes of page pods; 0: enough for tests (0)");

static bool no_ppods;
module_param(no_ppods, bool, 0444);
MODULE_PARM_DESC(no_ppods, "has none: nothing is placed (N)");

static uint queues;
module_param(queues, uint, 0444);
MODULE_PARM_DESC(queues, "for sending and as many for receiving; 0: two (0)");

static uint fragment;
module_param(fragment, uint, 0444);
MODULE_PARM_DESC(fragment, "bytes of a message in one page at most; 0: a page (0)");

static bool cut_headers;
module_param(cut_headers, bool, 0444);
MODULE_PARM_DESC(cut_headers, "messages may be cut inside of their headers (N)");

static bool pages_only;
module_param(pages_only, bool, 0444);
MODULE_PARM_DESC(pages_only, "no message lies in the response itself (N)");

static uint acks = SIM_ACK_COMPLETION;
module_param(acks, uint, 0444);
MODULE_PARM_DESC(acks, "credits return: 0 when asked for, 1 at any time in any parts, 2 late (0)");

static bool bounce;
module_param(bounce, bool, 0444);
MODULE_PARM_DESC(bounce, "what is placed is seen after unmap(), as behind an IOMMU (N)");

static ulong seed = 1;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "of all that is random (1)");

static struct lld_device *adapter;

static int read_address(const char *text, struct os_address *address)
{
	static const u8 mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (in6_pton(text, -1, address->ip, -1, NULL)) {
		address->is_ipv6 = 1;
		return 0;
	}
	memcpy(address->ip, mapped, sizeof(mapped));
	return in4_pton(text, -1, &address->ip[sizeof(mapped)], -1, NULL) ? 0 : -EINVAL;
}

static int read_addresses(struct sim_config *config)
{
	int i;

	for (i = 0; i < address_count; i++) {
		if (read_address(addresses[i], &config->addresses[i])) {
			pr_err("addresses: not an IP address: %s\n", addresses[i]);
			return -EINVAL;
		}
	}
	config->address_count = address_count;
	return 0;
}

static int check_parameters(void)
{
	if (chip != 5 && chip != 6)
		pr_err("chip: 5 or 6 is wanted\n");
	else if (acks > SIM_ACK_DELAYED)
		pr_err("acks: 0, 1 or 2 is wanted\n");
	else if (queues > LLD_MAX_RX_QUEUES)
		pr_err("queues: at most %u are possible\n", LLD_MAX_RX_QUEUES);
	else
		return 0;
	return -EINVAL;
}

static int start(const struct sim_config *config)
{
	int err;

	adapter = sim_create(config);
	if (!adapter)
		return -ENOMEM;
	err = offload_add_backend(sim_backend());
	if (err)
		sim_destroy(adapter);
	return err;
}

static int __init sim_init(void)
{
	struct sim_config config = {
		.name = "sim0",
		.chip = chip,
		.completion_moderation = moderation,
		.wr_credits = credits,
		.has_iso = iso,
		.ppod_size = ppods,
		.no_ppods = no_ppods,
		.tid_count = tids,
		.tx_queues = queues,
		.rx_queues = queues,
		.fragment_size = fragment,
		.cut_headers = cut_headers,
		.pages_only = pages_only,
		.ack_policy = acks,
		.bounce = bounce,
		.seed = seed,
	};
	int err = check_parameters();

	if (!err)
		err = read_addresses(&config);
	if (!err)
		err = os_socket_start();
	if (err)
		return err;
	err = start(&config);
	if (!err) {
		sim_views_start(adapter);
		return 0;
	}
	pr_err("cannot start: error %d\n", err);
	os_socket_stop();
	os_memory_drain();
	return err;
}

static void __exit sim_exit(void)
{
	/* 1. Nobody asks for anything any more. */
	sim_views_stop();
	/* 2. The offload transport has let go of the adapter. */
	offload_remove_backend(sim_backend());
	sim_destroy(adapter);
	/* 3. The network has let go of what was sent, and what was freed is gone. */
	os_socket_stop();
	os_memory_drain();
}

module_init(sim_init);
module_exit(sim_exit);

MODULE_DESCRIPTION("iSCSI target: a software adapter for tests of the offload");
MODULE_AUTHOR("The chiscsi authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(CHISCSI_API_VERSION_STRING);
