// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel side of the conformance driver: module entry and exit, parameters, the
 * files in debugfs, and the services of conformance_os.h. No rule is checked here.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "conformance_os.h"

/* Lock */

struct conf_lock {
	spinlock_t spinlock;
};

struct conf_lock *conf_lock_create(int kind)
{
	static struct lock_class_key classes[2];
	struct conf_lock *lock = kzalloc(sizeof(*lock), GFP_KERNEL);

	if (!lock)
		return NULL;
	spin_lock_init(&lock->spinlock);
	lockdep_set_class(&lock->spinlock, &classes[kind]);
	return lock;
}

void conf_lock_destroy(struct conf_lock *lock)
{
	kfree(lock);
}

unsigned long conf_lock_take(struct conf_lock *lock)
{
	unsigned long flags;

	spin_lock_irqsave(&lock->spinlock, flags);
	return flags;
}

void conf_lock_drop(struct conf_lock *lock, unsigned long flags)
{
	spin_unlock_irqrestore(&lock->spinlock, flags);
}

/* Deferred calls: a delayed work, and a tasklet behind it for softirq context. */

struct conf_deferred {
	struct delayed_work work;
	struct tasklet_struct tasklet;
	void (*call)(void *context);
	void *context;
	int where;
};

static void deferred_in_softirq(struct tasklet_struct *tasklet)
{
	struct conf_deferred *deferred = from_tasklet(deferred, tasklet, tasklet);

	deferred->call(deferred->context);
}

static void deferred_in_thread(struct work_struct *work)
{
	struct conf_deferred *deferred =
		container_of(to_delayed_work(work), struct conf_deferred, work);

	if (READ_ONCE(deferred->where) == CONF_ON_SOFTIRQ)
		tasklet_schedule(&deferred->tasklet);
	else
		deferred->call(deferred->context);
}

struct conf_deferred *conf_deferred_create(void (*call)(void *context), void *context)
{
	struct conf_deferred *deferred = kzalloc(sizeof(*deferred), GFP_NOIO);

	if (!deferred)
		return NULL;
	deferred->call = call;
	deferred->context = context;
	INIT_DELAYED_WORK(&deferred->work, deferred_in_thread);
	tasklet_setup(&deferred->tasklet, deferred_in_softirq);
	return deferred;
}

static int other_cpu(void)
{
	int cpu = cpumask_next(raw_smp_processor_id(), cpu_online_mask);

	return cpu < nr_cpu_ids ? cpu : cpumask_first(cpu_online_mask);
}

void conf_deferred_start(struct conf_deferred *deferred, int where, unsigned int milliseconds)
{
	int cpu = where == CONF_ON_OTHER_CPU ? other_cpu() : WORK_CPU_UNBOUND;

	WRITE_ONCE(deferred->where, where);
	queue_delayed_work_on(cpu, system_wq, &deferred->work, msecs_to_jiffies(milliseconds));
}

void conf_deferred_cancel(struct conf_deferred *deferred)
{
	cancel_delayed_work_sync(&deferred->work);
	tasklet_kill(&deferred->tasklet);
}

void conf_deferred_destroy(struct conf_deferred *deferred)
{
	if (deferred)
		conf_deferred_cancel(deferred);
	kfree(deferred);
}

/* Small services */

void *conf_vmalloc(unsigned long bytes)
{
	return vzalloc(bytes);
}

void conf_vfree(void *memory)
{
	vfree(memory);
}

/* in_atomic() alone sees too little in kernels that do not count preemption. */
int conf_may_sleep(void)
{
	might_sleep();
	return in_task() && !irqs_disabled() && !in_atomic();
}

unsigned long long conf_now_ms(void)
{
	return ktime_get_ns() / NSEC_PER_MSEC;
}

void conf_sleep_ms(unsigned int milliseconds)
{
	msleep(milliseconds);
}

int conf_print(char *to, unsigned int size, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vscnprintf(to, size, format, arguments);
	va_end(arguments);
	return length;
}

int conf_vprint(char *to, unsigned int size, const char *format, __builtin_va_list *arguments)
{
	return vscnprintf(to, size, format, *arguments);
}

/* Files: a read sees the text of the moment the file was opened. */

struct conf_text {
	unsigned int length;
	char text[CONF_FILE_SIZE];
};

static int conf_open(struct inode *inode, struct file *file)
{
	struct conf_text *text = vzalloc(sizeof(*text));

	if (!text)
		return -ENOMEM;
	text->length = conf_read((int)(long)inode->i_private, text->text);
	file->private_data = text;
	return 0;
}

static ssize_t conf_file_read(struct file *file, char __user *to, size_t count, loff_t *position)
{
	struct conf_text *text = file->private_data;

	return simple_read_from_buffer(to, count, position, text->text, text->length);
}

static int conf_release(struct inode *inode, struct file *file)
{
	vfree(file->private_data);
	return 0;
}

static const struct file_operations read_fops = {
	.owner = THIS_MODULE,
	.open = conf_open,
	.read = conf_file_read,
	.release = conf_release,
	.llseek = default_llseek,
};

static ssize_t conf_file_write(struct file *file, const char __user *from, size_t count,
			       loff_t *position)
{
	char *text;
	int err;

	if (count >= PAGE_SIZE)
		return -E2BIG;
	text = memdup_user_nul(from, count);
	if (IS_ERR(text))
		return PTR_ERR(text);
	err = conf_script(text);
	kfree(text);
	return err ? err : count;
}

static const struct file_operations script_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = conf_file_write,
	.llseek = noop_llseek,
};

/* Module */

static char *target_name = "iqn.2026-11.org.example:conformance";
module_param(target_name, charp, 0444);
MODULE_PARM_DESC(target_name, "iSCSI target name");

static char *portal = "";
module_param(portal, charp, 0444);
MODULE_PARM_DESC(portal, "where to listen: PortalGroup=<tag>@<addr>[:<port>][,<addr>[:<port>]]...");

static char *keys = "";
module_param(keys, charp, 0444);
MODULE_PARM_DESC(keys, "further keys of the target: key=value;key=value;...");

static unsigned int size_mb = 16;
module_param(size_mb, uint, 0444);
MODULE_PARM_DESC(size_mb, "size of each of the two units in MB (default 16)");

static bool multi_phase = true;
module_param(multi_phase, bool, 0444);
MODULE_PARM_DESC(multi_phase, "set LUN_CLASS_MULTI_PHASE_DATA_BIT (default 1)");

static struct dentry *folder;

static void make_files(void)
{
	folder = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("script", 0200, folder, NULL, &script_fops);
	debugfs_create_file("report", 0400, folder, (void *)CONF_FILE_REPORT, &read_fops);
	debugfs_create_file("log", 0400, folder, (void *)CONF_FILE_LOG, &read_fops);
	debugfs_create_file("state", 0400, folder, (void *)CONF_FILE_STATE, &read_fops);
}

static int __init conf_module_init(void)
{
	struct conf_params params = {
		.target_name = target_name,
		.portal = portal,
		.keys = keys,
		.size_mb = size_mb,
		.multi_phase = multi_phase,
	};
	int err = conf_start(&params);

	if (!err)
		make_files();
	return err;
}
module_init(conf_module_init);

static void __exit conf_module_exit(void)
{
	debugfs_remove(folder);
	conf_stop();
}
module_exit(conf_module_exit);

MODULE_DESCRIPTION("Conformance test of the chiscsi target API, as a storage driver");
MODULE_AUTHOR("The chiscsi developers");
MODULE_LICENSE("GPL");
