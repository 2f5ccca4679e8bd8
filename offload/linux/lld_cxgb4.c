// SPDX-License-Identifier: GPL-2.0-only
/*
 * The backend over the kernel's cxgb4: adapters that come, change their state and go.
 *
 * cxgb4 knows one upper driver per theme, and iSCSI targets are one theme. So this and the kernel's
 * own cxgbit exclude each other: a registration beside another one would be kept without being
 * served, and the end of either would take the queues of the other away, because cxgb4 looks at the
 * theme and not at the owner. We refuse to start when the place is taken, and cxgbit while we have it.
 * cxgb4 calls all of this in process context, with a mutex of its own.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device/driver.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/swiotlb.h>

#include "offload/linux/glue.h"
#include "offload/linux/lld_cxgb4.h"
#include "t4_chip_type.h"

#define RIVAL "cxgbit"
/* From this firmware on Data-In sequences are split by the adapter. */
#define ISO_FIRMWARE 0x010d2b00

const struct lld_client *lld_client;

/* Guards the list, @accepting, and each device's way from and to its client. */
static DEFINE_MUTEX(devices_lock);
static LIST_HEAD(devices);
static bool accepting;

/* ---- Adapters ---- */

/* Whether the memory that the adapter writes may be a copy. */
static bool may_bounce(struct pci_dev *pdev)
{
	struct device *dev = &pdev->dev;

	return !dev_is_dma_coherent(dev) || is_swiotlb_force_bounce(dev) || pdev->untrusted ||
	       dma_get_mask(dev) < dma_get_required_mask(dev);
}

static void fill_info(struct lld_device *dev)
{
	const struct cxgb4_lld_info *lldi = &dev->lldi;
	struct lld_device_info *info = &dev->info;
	unsigned int i;

	snprintf(dev->name, sizeof(dev->name), "%s", pci_name(lldi->pdev));
	info->name = dev->name;
	info->chip = CHELSIO_CHIP_VERSION(lldi->adapter_type);
	info->port_count = min_t(u32, lldi->nports, LLD_MAX_PORTS);
	info->rx_queue_count = min_t(u32, lldi->nrxq, LLD_MAX_RX_QUEUES);
	info->tx_queue_count = lldi->ntxq;
	for (i = 0; i < info->rx_queue_count; i++)
		info->rx_queue_ids[i] = lldi->rxq_ids[i];
	memcpy(info->mtus, lldi->mtus, sizeof(info->mtus));
	info->wr_credits = lldi->wr_cred;
	info->has_iso = lldi->fw_vers >= ISO_FIRMWARE;
	info->tid_base = lldi->tids->tid_base;
	info->tid_count = lldi->tids->ntids;
	info->pf = lldi->pf;
	info->iscsi_iolen = lldi->iscsi_iolen;
	info->max_fragments = MAX_SKB_FRAGS;
	info->bounces = may_bounce(lldi->pdev);
	info->tag_mask = lldi->iscsi_tagmask;
	for (i = 0; i < LLD_PAGE_SIZES; i++)
		info->page_orders[i] = lldi->iscsi_pgsz_order >> (8 * i) & 0xf;
}

static int add_device(struct lld_device *dev)
{
	int err;

	if (!accepting) {
		pr_info("%s: comes while the module goes, and is not used\n", dev->name);
		return -ESHUTDOWN;
	}
	if (!dev->info.port_count || !dev->info.rx_queue_count || !dev->info.tx_queue_count) {
		pr_warn("%s: not used: %u ports, %u receive and %u send queues for offload\n", dev->name,
			dev->info.port_count, dev->info.rx_queue_count, dev->info.tx_queue_count);
		return -EINVAL;
	}
	err = lld_ddp_start(dev);
	if (err)
		return err;
	dev->handle = lld_client->dev_add(&lld_cxgb4_ops, dev, &dev->info);
	if (!dev->handle) { /* The client has said why. */
		lld_ddp_stop(dev);
		return -EACCES;
	}
	list_add_tail(&dev->node, &devices);
	return 0;
}

/*
 * With an ERR_PTR cxgb4 takes our queues of the adapter away itself and calls us no more for it; only
 * the name of its user stays behind.
 */
static void *on_add(const struct cxgb4_lld_info *lldi)
{
	struct lld_device *dev;
	int err;

	BUILD_BUG_ON(LLD_MAX_PORTS < MAX_NPORTS);
	BUILD_BUG_ON(LLD_MTU_COUNT != NMTUS);
	if (!is_t5(lldi->adapter_type) && !is_t6(lldi->adapter_type)) {
		pr_info("%s: only T5 and T6 adapters are used\n", pci_name(lldi->pdev));
		return ERR_PTR(-ENODEV);
	}
	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev) {
		pr_warn("%s: not used: no memory\n", pci_name(lldi->pdev));
		return ERR_PTR(-ENOMEM);
	}
	dev->lldi = *lldi;
	fill_info(dev);
	mutex_lock(&devices_lock);
	err = add_device(dev);
	mutex_unlock(&devices_lock);
	if (!err)
		return dev;
	kfree(dev);
	return ERR_PTR(err);
}

/*
 * Takes the adapter from the client. Its memory stays: cxgb4 may still call with it until it has
 * taken our queues away. Messages go out to the end, for that is how connections are closed.
 */
static void detach(struct lld_device *dev)
{
	void *handle = dev->handle;

	if (!handle)
		return;
	lld_client->dev_state(handle, LLD_STATE_DETACH);
	lld_client->dev_remove(handle);
	WRITE_ONCE(dev->up, false);
	WRITE_ONCE(dev->handle, NULL);
	/* Who is about to call the client with the handle has done so. */
	synchronize_net();
	if (lld_client->dev_gone)
		lld_client->dev_gone(handle);
	lld_ddp_stop(dev);
}

static enum lld_state state_of(enum cxgb4_state state)
{
	switch (state) {
	case CXGB4_STATE_UP:
		return LLD_STATE_UP;
	case CXGB4_STATE_START_RECOVERY:
		return LLD_STATE_RECOVERY;
	case CXGB4_STATE_DOWN:
		return LLD_STATE_DOWN;
	case CXGB4_STATE_DETACH:
		return LLD_STATE_DETACH;
	default:
		return LLD_STATE_FATAL;
	}
}

static int on_state_change(void *handle, enum cxgb4_state to)
{
	const enum lld_state state = state_of(to);
	struct lld_device *dev = handle;

	mutex_lock(&devices_lock);
	if (state == LLD_STATE_DETACH) {
		detach(dev);
	} else if (dev->handle) {
		WRITE_ONCE(dev->up, state == LLD_STATE_UP);
		lld_client->dev_state(dev->handle, state);
	}
	mutex_unlock(&devices_lock);
	return 0;
}

static const struct cxgb4_uld_info uld_info = {
	.name = KBUILD_MODNAME,
	.nrxq = MAX_ULD_QSETS,
	.ntxq = MAX_ULD_QSETS,
	.rxq_size = 1024,
	.lro = true,
	.add = on_add,
	.state_change = on_state_change,
	.lro_rx_handler = lld_receive,
	.lro_flush = lld_poll_end,
};

/* ---- The one place for an iSCSI target ---- */

static bool is_rival_loaded(void)
{
	struct kobject *module = kset_find_obj(THIS_MODULE->mkobj.kobj.kset, RIVAL);

	kobject_put(module);
	return module;
}

/*
 * Whatever its name: a driver that has the place on an adapter. The name stays behind where it could
 * not use the adapter; only who got a handle is there.
 */
static int find_owner(struct device *device, void *unused)
{
	const struct adapter *adapter = dev_get_drvdata(device);

	if (!adapter || !adapter->uld || !adapter->uld[CXGB4_ULD_ISCSIT].handle)
		return 0;
	pr_err("%s is in use by %s, and an adapter serves one iSCSI target driver: unload that first\n",
	       dev_name(device), adapter->uld[CXGB4_ULD_ISCSIT].name);
	return -EBUSY;
}

static int check_place(void)
{
	struct device_driver *driver = driver_find("cxgb4", &pci_bus_type);

	if (is_rival_loaded()) {
		pr_err("%s is loaded, and adapters serve one iSCSI target driver: unload that first\n",
		       RIVAL);
		return -EBUSY;
	}
	return driver ? driver_for_each_device(driver, NULL, NULL, find_owner) : 0;
}

static int on_module(struct notifier_block *self, unsigned long event, void *data)
{
	const struct module *module = data;

	if (event != MODULE_STATE_COMING || strcmp(module->name, RIVAL))
		return NOTIFY_DONE;
	pr_err("%s is refused: adapters serve one iSCSI target driver, and that is %s now\n", RIVAL,
	       KBUILD_MODNAME);
	return notifier_from_errno(-EBUSY);
}

static struct notifier_block module_notifier = { .notifier_call = on_module };

/* ---- Start and stop ---- */

static int start(const struct lld_client *client)
{
	int err;

	lld_client = client;
	/* First, so that the rival cannot come between the look and our registration. */
	err = register_module_notifier(&module_notifier);
	if (err)
		return err;
	err = check_place();
	if (err) {
		unregister_module_notifier(&module_notifier);
		return err;
	}
	accepting = true;
	cxgb4_register_uld(CXGB4_ULD_ISCSIT, &uld_info);
	return 0;
}

static void stop(void)
{
	struct lld_device *dev, *next;

	/* Connections end while the adapters still take and bring messages. */
	mutex_lock(&devices_lock);
	accepting = false;
	list_for_each_entry(dev, &devices, node)
		detach(dev);
	mutex_unlock(&devices_lock);
	/* Without our mutex: cxgb4 holds its own when it calls us. */
	cxgb4_unregister_uld(CXGB4_ULD_ISCSIT);
	list_for_each_entry_safe(dev, next, &devices, node)
		kfree(dev);
	INIT_LIST_HEAD(&devices);
	unregister_module_notifier(&module_notifier);
}

const struct lld_ops lld_cxgb4_ops = {
	.name = "cxgb4",
	.start = start,
	.stop = stop,
	.buffer_alloc = lld_buffer_alloc,
	.buffer_header = lld_buffer_header,
	.buffer_add = lld_buffer_add,
	.buffer_free = lld_buffer_free,
	.send = lld_send,
	.send_l2t = lld_send_l2t,
	.page_put = lld_page_put,
	.owns_address = lld_owns_address,
	.stid_alloc = lld_stid_alloc,
	.stid_free = lld_stid_free,
	.server_create = lld_server_create,
	.server_remove = lld_server_remove,
	.clip_get = lld_clip_get,
	.clip_release = lld_clip_release,
	.tid_insert = lld_tid_insert,
	.tid_remove = lld_tid_remove,
	.route_get = lld_route_get,
	.route_put = lld_route_put,
	.best_mtu = lld_best_mtu,
	.ppods_reserve = lld_ppods_reserve,
	.ppods_release = lld_ppods_release,
	.map = lld_map,
	.unmap = lld_unmap,
};
