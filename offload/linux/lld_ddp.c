// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct data placement: runs of page pods from libcxgb, and memory that the adapter may write.
 *
 * libcxgb's manager of page pods is one per adapter and shared with the kernel's initiator driver.
 * It does not notice when a run is given back twice, so we remember which are ours. Placement is
 * given up, and the adapter used without it, where tags or page sizes are not as we need them. Runs
 * and mappings in any context but with interrupts off.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitops.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "offload/linux/lld_cxgb4.h"

/* Of pods, as the kernel's own target driver wants it. */
#define FEWEST_PODS 1024
/* One per CPU gets a share of this part of all pods, for itself. */
#define CPU_POOL_PART 2
/* A tag holds a colour, an index of at least one bit and the bit that says it is not for us. */
#define FEWEST_TAG_BITS (PPOD_IDX_SHIFT + 2)
/* Above it the tag names a page size. */
#define MOST_TAG_BITS 30

static void tag_format(const struct lld_device *dev, struct cxgbi_tag_format *format)
{
	unsigned int i;

	memset(format, 0, sizeof(*format));
	for (i = 0; i < DDP_PGIDX_MAX; i++)
		format->pgsz_order[i] = dev->info.page_orders[i];
	cxgbi_tagmask_check(dev->lldi.iscsi_tagmask, format);
}

static const char *why_unusable(const struct cxgbi_ppm *ppm)
{
	if (ppm->tformat.pgsz_idx_dflt >= DDP_PGIDX_MAX)
		return "it has no page size of this host";
	if (ppm->ppmax < FEWEST_PODS)
		return "it has too few page pods";
	if (ppm->base_idx)
		return "its page pods do not begin at the limit of its tags";
	return NULL;
}

static int get_manager(struct lld_device *dev)
{
	const struct cxgb4_lld_info *lldi = &dev->lldi;
	struct cxgbi_tag_format format;
	int err;

	tag_format(dev, &format);
	/* A positive answer: the initiator driver has made it. */
	err = cxgbi_ppm_init(lldi->iscsi_ppm, lldi->ports[0], lldi->pdev, NULL, &format,
			     lldi->vr->iscsi.size, lldi->iscsi_llimit, lldi->vr->iscsi.start,
			     CPU_POOL_PART, lldi->vr->ppod_edram.start, lldi->vr->ppod_edram.size);
	if (err < 0)
		return err;
	dev->ppm = *lldi->iscsi_ppm;
	dev->runs = kvcalloc(BITS_TO_LONGS(dev->ppm->ppmax), sizeof(long), GFP_KERNEL);
	return dev->runs ? 0 : -ENOMEM;
}

int lld_ddp_start(struct lld_device *dev)
{
	const struct cxgb4_virt_res *vr = dev->lldi.vr;
	const int bits = fls(dev->lldi.iscsi_tagmask);
	const char *why;
	int err;

	if (!vr->iscsi.size) {
		pr_warn("%s: its firmware configuration has no iSCSI\n", dev->name);
		return -EACCES;
	}
	if (bits < FEWEST_TAG_BITS || bits > MOST_TAG_BITS) {
		pr_warn("%s: no direct placement: tag mask %#x\n", dev->name,
			dev->lldi.iscsi_tagmask);
		return 0;
	}
	err = get_manager(dev);
	why = err ? "its page pods cannot be used" : why_unusable(dev->ppm);
	if (why) {
		pr_warn("%s: no direct placement: %s\n", dev->name, why);
		lld_ddp_stop(dev);
		return 0;
	}
	dev->info.ppod_start = vr->ppod_edram.size && vr->ppod_edram.start ?
		vr->ppod_edram.start : vr->iscsi.start;
	dev->info.ppod_llimit = dev->ppm->llimit;
	dev->info.ppod_size = dev->ppm->ppmax << PPOD_SIZE_SHIFT;
	return 0;
}

void lld_ddp_stop(struct lld_device *dev)
{
	if (dev->ppm)
		cxgbi_ppm_release(dev->ppm);
	dev->ppm = NULL;
	kvfree(dev->runs);
	dev->runs = NULL;
}

int lld_ppods_reserve(struct lld_device *dev, u32 pages, u32 tid, struct lld_tag *tag)
{
	u32 index, ddp_tag;
	int count;

	if (!dev->ppm || !pages || pages > U16_MAX)
		return -ENOSPC;
	count = cxgbi_ppm_ppods_reserve(dev->ppm, pages, 0, &index, &ddp_tag, tid);
	if (count < 0)
		return -ENOSPC;
	set_bit(index, dev->runs);
	tag->tag = ddp_tag;
	tag->first_pod = dev->ppm->base_idx + index;
	tag->pod_count = count;
	tag->ddp_index = index;
	return 0;
}

void lld_ppods_release(struct lld_device *dev, const struct lld_tag *tag)
{
	if (!dev->ppm || tag->ddp_index >= dev->ppm->ppmax ||
	    !test_and_clear_bit(tag->ddp_index, dev->runs)) {
		pr_err_ratelimited("%s: page pods given back that are not in use: %u\n", dev->name,
				   tag->ddp_index);
		return;
	}
	cxgbi_ppm_ppod_release(dev->ppm, tag->ddp_index);
}

/* The page of the first byte; only what lies in one run of pages can be written. */
static struct page *first_page(const struct os_fragment *piece, u32 *offset)
{
	const u8 *at = (const u8 *)piece->address + piece->offset;

	*offset = piece->page ? offset_in_page(piece->offset) : offset_in_page(at);
	if (piece->page)
		return nth_page((struct page *)piece->page, piece->offset >> PAGE_SHIFT);
	if (is_vmalloc_addr(at))
		return *offset + piece->length <= PAGE_SIZE ? vmalloc_to_page(at) : NULL;
	return virt_addr_valid(at) ? virt_to_page(at) : NULL;
}

u64 lld_map(struct lld_device *dev, const struct os_fragment *piece)
{
	struct device *device = &dev->lldi.pdev->dev;
	struct page *page;
	dma_addr_t at;
	u32 offset;

	page = first_page(piece, &offset);
	if (!page || !piece->length)
		return 0;
	at = dma_map_page(device, page, offset, piece->length, DMA_FROM_DEVICE);
	return dma_mapping_error(device, at) ? 0 : at;
}

void lld_unmap(struct lld_device *dev, u64 bus_address, u32 length)
{
	dma_unmap_page(&dev->lldi.pdev->dev, bus_address, length, DMA_FROM_DEVICE);
}
