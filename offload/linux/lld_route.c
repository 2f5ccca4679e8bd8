// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where an adapter's peers and listeners are: addresses, routes, and the indices of the chip.
 *
 * An address is an adapter's when the interface that has it, or the device below a VLAN, is one of
 * its ports. A bond is none: the chip owns a connection by itself and knows nothing of the other
 * links. Only the first network namespace is looked at, as libcxgb does. Called in process context,
 * but for connections, which come and go in softirq.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/if_vlan.h>
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/socket.h>
#include <net/addrconf.h>
#include <net/dst.h>
#include <net/ipv6.h>
#include <net/neighbour.h>
#include <net/net_namespace.h>

#include "offload/linux/lld_cxgb4.h"
#include "clip_tbl.h"
#include "l2t.h"
#include "libcxgb_cm.h"

static __be32 ipv4_of(const struct os_address *address)
{
	__be32 ip;

	memcpy(&ip, &address->ip[12], sizeof(ip));
	return ip;
}

static const struct in6_addr *ipv6_of(const struct os_address *address)
{
	return (const struct in6_addr *)address->ip;
}

static unsigned short family(int is_ipv6)
{
	return is_ipv6 ? AF_INET6 : AF_INET;
}

/* ---- Addresses ---- */

static struct net_device *real_dev(struct net_device *ndev)
{
	if (netif_is_bond_master(ndev)) {
		pr_warn_ratelimited("%s is a bond: nothing on it can be offloaded\n", ndev->name);
		return NULL;
	}
	return is_vlan_dev(ndev) ? vlan_dev_real_dev(ndev) : ndev;
}

static int port_of(const struct lld_device *dev, const struct net_device *ndev)
{
	u32 i;

	for (i = 0; i < dev->info.port_count; i++)
		if (dev->lldi.ports[i] == ndev)
			return i;
	return -ENODEV;
}

static struct net_device *ipv6_dev_rcu(const struct os_address *address)
{
#if IS_ENABLED(CONFIG_IPV6)
	struct net_device *ndev;

	for_each_netdev_rcu(&init_net, ndev)
		if ((!address->scope || address->scope == ndev->ifindex) &&
		    ipv6_chk_addr(&init_net, ipv6_of(address), ndev, 1))
			return ndev;
#endif
	return NULL;
}

/* The device below the interface that has a local address. Context: RCU read section. */
static struct net_device *dev_with_rcu(const struct os_address *address)
{
	struct net_device *ndev = address->is_ipv6 ?
		ipv6_dev_rcu(address) : __ip_dev_find(&init_net, ipv4_of(address), false);

	return ndev ? real_dev(ndev) : NULL;
}

static bool is_wildcard(const struct os_address *address)
{
	return address->is_ipv6 ? ipv6_addr_any(ipv6_of(address)) : !ipv4_of(address);
}

int lld_owns_address(struct lld_device *dev, const struct os_address *address)
{
	const struct net_device *ndev;
	int port;

	if (is_wildcard(address))
		return 1;
	rcu_read_lock();
	ndev = dev_with_rcu(address);
	port = ndev ? port_of(dev, ndev) : -ENODEV;
	rcu_read_unlock();
	return port >= 0;
}

/* ---- Servers ---- */

int lld_stid_alloc(struct lld_device *dev, int is_ipv6, void *data)
{
	const int stid = cxgb4_alloc_stid(dev->lldi.tids, family(is_ipv6), data);

	return stid < 0 ? -ENOSPC : stid;
}

void lld_stid_free(struct lld_device *dev, u32 stid, int is_ipv6)
{
	cxgb4_free_stid(dev->lldi.tids, stid, family(is_ipv6));
}

/* The LLD answers with what its queue said, which is more than good and bad. */
static int sent(int rc)
{
	return rc > 0 ? net_xmit_errno(rc) : rc;
}

int lld_server_create(struct lld_device *dev, u32 stid, const struct os_address *address)
{
	const struct net_device *port = dev->lldi.ports[0];
	const u32 queue = dev->info.rx_queue_ids[0];

	if (!READ_ONCE(dev->up))
		return -EIO;
	if (address->is_ipv6)
		return sent(cxgb4_create_server6(port, stid, ipv6_of(address), htons(address->port),
						 queue));
	return sent(cxgb4_create_server(port, stid, ipv4_of(address), htons(address->port), 0,
					queue));
}

int lld_server_remove(struct lld_device *dev, u32 stid, int is_ipv6)
{
	if (!READ_ONCE(dev->up))
		return -EIO;
	return sent(cxgb4_remove_server(dev->lldi.ports[0], stid, dev->info.rx_queue_ids[0],
					is_ipv6));
}

int lld_clip_get(struct lld_device *dev, const struct os_address *address)
{
	return cxgb4_clip_get(dev->lldi.ports[0], (const u32 *)address->ip, 1) ? -ENOMEM : 0;
}

void lld_clip_release(struct lld_device *dev, const struct os_address *address)
{
	cxgb4_clip_release(dev->lldi.ports[0], (const u32 *)address->ip, 1);
}

/* ---- Connections ---- */

void lld_tid_insert(struct lld_device *dev, void *data, u32 tid, int is_ipv6)
{
	/* The LLD counts a tid as free when it has no data. */
	if (!tid_out_of_range(dev->lldi.tids, tid))
		cxgb4_insert_tid(dev->lldi.tids, data ?: dev, tid, family(is_ipv6));
}

/*
 * The reverse of cxgb4_insert_tid(), for an adapter that takes no messages: cxgb4_remove_tid() would
 * send one, on a queue that recovery has freed.
 */
static void forget_tid(struct tid_info *tids, u32 tid, int is_ipv6)
{
	const int weight = is_ipv6 ? 2 : 1;

	if (tid_out_of_range(tids, tid) || !tids->tid_tab[tid - tids->tid_base])
		return;
	tids->tid_tab[tid - tids->tid_base] = NULL;
	atomic_dec(&tids->conns_in_use);
	if (tids->hash_base && tid >= tids->hash_base)
		atomic_sub(weight, &tids->hash_tids_in_use);
	else
		atomic_sub(weight, &tids->tids_in_use);
}

void lld_tid_remove(struct lld_device *dev, u32 tid, u32 control_queue, int is_ipv6)
{
	if (READ_ONCE(dev->up))
		cxgb4_remove_tid(dev->lldi.tids, control_queue, tid, family(is_ipv6));
	else
		forget_tid(dev->lldi.tids, tid, is_ipv6);
}

static struct dst_entry *find_route(struct lld_device *dev, const struct os_address *local,
				    const struct os_address *peer, u8 tos)
{
	if (peer->is_ipv6)
		return cxgb_find_route6(&dev->lldi, real_dev, (u8 *)local->ip, (u8 *)peer->ip,
					htons(local->port), htons(peer->port), tos, peer->scope);
	return cxgb_find_route(&dev->lldi, real_dev, ipv4_of(local), ipv4_of(peer),
			       htons(local->port), htons(peer->port), tos);
}

/* One of the port's own @count queues: each port has the same share of all. */
static u32 next_queue(const struct lld_device *dev, u32 port, u32 count, atomic_t *next)
{
	const u32 share = max_t(u32, count / dev->info.port_count, 1);
	const u32 turn = (u32)atomic_inc_return(next) % share;

	return min(port * share + turn, count - 1);
}

static int fill_route(struct lld_device *dev, struct neighbour *n, struct net_device *ndev, u32 mtu,
		      struct lld_route *route)
{
	const struct port_info *info = netdev_priv(ndev);
	const int port = port_of(dev, ndev);
	struct l2t_entry *entry;

	if (port < 0)
		return -EHOSTUNREACH;
	entry = cxgb4_l2t_get(dev->lldi.l2t, n, ndev, 0);
	if (!entry)
		return -ENOMEM;
	route->l2t = (struct lld_l2t *)entry;
	route->l2t_index = entry->idx;
	route->mtu = mtu;
	route->port = port;
	route->tx_channel = cxgb4_port_chan(ndev);
	route->smac_index = info->smt_idx;
	route->tx_queue = next_queue(dev, port, dev->info.tx_queue_count, &dev->next_tx[port]);
	route->control_queue = port;
	route->rx_queue_id = dev->info.rx_queue_ids[next_queue(dev, port, dev->info.rx_queue_count,
							       &dev->next_rx[port])];
	route->link_mbps = info->link_cfg.speed;
	return 0;
}

/* A peer on this host: the chip loops its packets back at the port that has the peer's address. */
static int route_by_neighbour_rcu(struct lld_device *dev, struct neighbour *n, u32 mtu,
				  const struct os_address *peer, struct lld_route *route)
{
	const bool is_local = n->dev->flags & IFF_LOOPBACK;
	struct net_device *ndev = is_local ? dev_with_rcu(peer) : real_dev(n->dev);

	if (!ndev)
		return -EHOSTUNREACH;
	if (!(READ_ONCE(n->nud_state) & NUD_VALID))
		neigh_event_send(n, NULL);
	return fill_route(dev, n, ndev, is_local ? READ_ONCE(ndev->mtu) : mtu, route);
}

int lld_route_get(struct lld_device *dev, const struct os_address *local,
		  const struct os_address *peer, u8 tos, struct lld_route *route)
{
	struct dst_entry *dst = find_route(dev, local, peer, tos);
	const __be32 ip = ipv4_of(peer);
	struct neighbour *n;
	int err = -EHOSTUNREACH;

	if (!dst)
		return err;
	n = dst_neigh_lookup(dst, peer->is_ipv6 ? (const void *)peer->ip : &ip);
	if (n) {
		rcu_read_lock();
		err = route_by_neighbour_rcu(dev, n, dst_mtu(dst), peer, route);
		rcu_read_unlock();
		neigh_release(n);
	}
	/* The next hop stays known by its l2t entry, which holds the neighbour. */
	dst_release(dst);
	return err;
}

void lld_route_put(struct lld_device *dev, struct lld_route *route)
{
	cxgb4_l2t_release((struct l2t_entry *)route->l2t);
	route->l2t = NULL;
}

u32 lld_best_mtu(struct lld_device *dev, u32 mtu, int timestamps, int is_ipv6)
{
	unsigned int index = 0;

	cxgb_best_mtu(dev->info.mtus, mtu, &index, timestamps, is_ipv6);
	return index;
}
