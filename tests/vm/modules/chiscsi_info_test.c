// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints what the information calls say, for tests/vm/cases/information.sh.
 *
 * Loading it asks once and writes one line per answer to the kernel log, each
 * beginning with "info:". With readers=N it also starts N threads that ask in a loop
 * until the module is removed, which prints how much they have seen; whoever
 * meets an answer that cannot be says so with "info: wrong".
 */
#include <linux/inet.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "iscsi_info.h"
#include "iscsi_target_class.h"

static char *target = "";
module_param(target, charp, 0444);
static char *initiator = "";
module_param(initiator, charp, 0444);
static char *address = "127.0.0.1";
module_param(address, charp, 0444);
static unsigned int port;
module_param(port, uint, 0444);
static unsigned int readers;
module_param(readers, uint, 0444);

#define MAX_READERS 8U
#define MAX_SESSIONS 8

static struct task_struct *threads[MAX_READERS];
static atomic_long_t rounds, sessions_seen, connections_seen;

static int ask_portal(struct chiscsi_perf_info *perf)
{
	__be32 words[4] = { 0 };
	int ipv6 = !in4_pton(address, -1, (u8 *)words, -1, NULL);

	if (ipv6 && !in6_pton(address, -1, (u8 *)words, -1, NULL))
		return -EINVAL;
	return chiscsi_get_perf_info(ipv6, (__force unsigned int *)words, port, perf);
}

static void print_perf(const char *what, const struct chiscsi_perf_info *perf)
{
	pr_info("info: %s read_bytes=%lu write_bytes=%lu reads=%lu writes=%lu\n", what,
		perf->read_bytes, perf->write_bytes, perf->read_cmd_cnt, perf->write_cmd_cnt);
}

static void print_target(void)
{
	struct chiscsi_target_info *info = kzalloc(sizeof(*info), GFP_KERNEL);
	int rc = info ? chiscsi_get_target_info(target, info) : -ENOMEM;

	if (rc)
		pr_info("info: target rc=%d\n", rc);
	else
		pr_info("info: target name=%s max_burst=%u first_burst=%u max_cmds=%u chap=%u\n",
			info->name, info->sess_keys.max_burst, info->sess_keys.first_burst,
			info->config_keys.sess_max_cmds, info->chap.chap_en);
	kfree(info);
}

static void print_connections(const struct chiscsi_session_info *session)
{
	struct chiscsi_connection_info conn;
	int i, rc;

	for (i = 0; i <= session->conn_cnt; i++) {
		rc = chiscsi_get_connection_info(session->hndl, i, &conn);
		if (rc)
			pr_info("info: connection %d rc=%d\n", i, rc);
		else
			pr_info("info: connection %d from=%pI4 port=%u header_digest=%u tpgt=%u max_xmit=%u\n",
				i, conn.tcp_endpoints.iaddr.ip + 12, conn.tcp_endpoints.taddr.port,
				conn.conn_keys.header_digest[0], conn.conn_keys.portal_group_tag,
				conn.conn_keys.max_xmit_data_segment);
	}
}

static void print_sessions(struct chiscsi_session_info *list)
{
	int i, count = chiscsi_get_session_info(target, initiator, MAX_SESSIONS, list);

	pr_info("info: sessions %d\n", count);
	for (i = 0; i < min(count, MAX_SESSIONS); i++) {
		pr_info("info: session %d peer=%s type=%u connections=%u window=%d\n", i,
			list[i].peer_name, list[i].type, list[i].conn_cnt,
			list[i].maxcmdsn - list[i].expcmdsn + 1);
		print_perf("session", &list[i].perf);
		print_connections(&list[i]);
	}
}

static void print_portal(void)
{
	struct chiscsi_perf_info perf;
	int rc = ask_portal(&perf);

	if (rc)
		pr_info("info: portal rc=%d\n", rc);
	else
		print_perf("portal", &perf);
}

/* A thread of `readers`. */

static void check_connection(const struct chiscsi_session_info *session)
{
	struct chiscsi_connection_info conn;
	int rc = chiscsi_get_connection_info(session->hndl, 0, &conn);

	if (!rc)
		atomic_long_inc(&connections_seen);
	if (rc ? rc != -ESTALE && rc != -ENOENT : !conn.tcp_endpoints.taddr.port)
		pr_err("info: wrong connection, rc=%d\n", rc);
}

static void check_sessions(struct chiscsi_session_info *list)
{
	int i, count = chiscsi_get_session_info(target, initiator, MAX_SESSIONS, list);

	for (i = 0; i < min(count, MAX_SESSIONS); i++) {
		atomic_long_inc(&sessions_seen);
		if (strcmp(list[i].peer_name, initiator) || !list[i].conn_cnt ||
		    (int)(list[i].cmdsn + 1 - list[i].expcmdsn) < 0 ||
		    (int)(list[i].maxcmdsn - list[i].cmdsn) < 0)
			pr_err("info: wrong session of %s\n", list[i].peer_name);
		check_connection(&list[i]);
	}
	if (count < 0 && count != -ENOENT)
		pr_err("info: wrong number of sessions, %d\n", count);
}

static int reader(void *argument)
{
	struct chiscsi_session_info *list = argument;
	struct chiscsi_perf_info perf;
	unsigned long last = 0;

	while (!kthread_should_stop()) {
		check_sessions(list);
		if (!ask_portal(&perf)) {
			if (perf.read_bytes < last)
				pr_err("info: wrong portal, %lu after %lu\n", perf.read_bytes,
				       last);
			last = perf.read_bytes;
		}
		atomic_long_inc(&rounds);
		cond_resched();
	}
	kfree(list);
	return 0;
}

static void stop_readers(void)
{
	unsigned int i;

	for (i = 0; i < MAX_READERS; i++) {
		if (threads[i])
			kthread_stop(threads[i]);
	}
}

static int start_readers(void)
{
	unsigned int i;

	for (i = 0; i < min(readers, MAX_READERS); i++) {
		void *list = kcalloc(MAX_SESSIONS, sizeof(struct chiscsi_session_info),
				     GFP_KERNEL);
		struct task_struct *thread =
			list ? kthread_create(reader, list, "info_reader/%u", i) : ERR_PTR(-ENOMEM);

		if (IS_ERR(thread)) {
			kfree(list);
			stop_readers();
			return PTR_ERR(thread);
		}
		threads[i] = thread;
		wake_up_process(thread);
	}
	return 0;
}

static int __init info_test_init(void)
{
	struct chiscsi_session_info *list = kcalloc(MAX_SESSIONS, sizeof(*list), GFP_KERNEL);

	if (!list)
		return -ENOMEM;
	print_target();
	print_sessions(list);
	print_portal();
	kfree(list);
	return start_readers();
}
module_init(info_test_init);

static void __exit info_test_exit(void)
{
	stop_readers();
	if (readers)
		pr_info("info: readers rounds=%ld sessions=%ld connections=%ld\n",
			atomic_long_read(&rounds), atomic_long_read(&sessions_seen),
			atomic_long_read(&connections_seen));
}
module_exit(info_test_exit);

MODULE_DESCRIPTION("Prints what the information calls of chiscsi say");
MODULE_LICENSE("GPL");
