// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/chiscsi: carries the requests of iscsictl between user space and engine_control().
 *
 * One ioctl, run in the process context of the caller, any number at once. It copies in and out and
 * checks lengths and rights; what a request means is the engine's business. An open file holds the
 * module, and what was handed over for as long as somebody stands behind it: that ends when the
 * file is closed, by its process or by its end. Texts may hold secrets: they are wiped before their
 * memory goes, and no byte leaves that was not written on purpose.
 */
#define pr_fmt(fmt) "chiscsi: " fmt

#include <linux/atomic.h>
#include <linux/capability.h>
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/ioctl.h>
#include <linux/kernel.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "common/chiscsi_control.h"
#include "target/engine.h"
#include "target/linux/glue.h"

#define DEVICE_MODE 0600

/* User space may change its input while the request runs; the engine looks at this copy alone. */
static void *copy_input(const struct chiscsi_control *control)
{
	void *input;

	if (!control->in_size)
		return NULL;
	input = kvmalloc(control->in_size, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!input)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(input, u64_to_user_ptr(control->in), control->in_size)) {
		kvfree_sensitive(input, control->in_size);
		return ERR_PTR(-EFAULT);
	}
	return input;
}

static long copy_output(const struct chiscsi_control *control,
			const struct engine_control_call *call)
{
	if (!call->out)
		return 0;
	return copy_to_user(u64_to_user_ptr(control->out), call->out, call->out_used) ? -EFAULT : 0;
}

static unsigned long holder_of(const struct file *file)
{
	return (unsigned long)file->private_data;
}

static long run(struct chiscsi_control *control, unsigned long holder)
{
	struct engine_control_call call = {
		.op = control->op,
		.flags = control->flags,
		.holder = holder,
		.in_size = control->in_size,
		.out_room = control->out_size,
	};
	void *input = copy_input(control);
	long err;

	if (IS_ERR(input))
		return PTR_ERR(input);
	call.in = input;
	err = engine_control(&call);
	if (!err)
		err = copy_output(control, &call);
	engine_control_release(&call);
	kvfree_sensitive(input, control->in_size);
	control->out_used = call.out_used;
	memcpy(control->error, call.error, sizeof(control->error));
	return err;
}

static long control_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	void __user *user = (void __user *)argument;
	struct chiscsi_control *control;
	long err;

	if (command != CHISCSI_CONTROL)
		return -ENOTTY;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	control = memdup_user(user, sizeof(*control));
	if (IS_ERR(control))
		return PTR_ERR(control);
	err = engine_control_check(control);
	if (!err)
		err = run(control, holder_of(file));
	/* What came from user space goes back there; nothing of the kernel is in it but the answer. */
	if (copy_to_user(user, control, sizeof(*control)))
		err = -EFAULT;
	kfree(control);
	return err;
}

/* Each open file is another holder, whose number comes once. */
static int control_open(struct inode *inode, struct file *file)
{
	static atomic_long_t last_holder = ATOMIC_LONG_INIT(0);

	file->private_data = (void *)atomic_long_inc_return(&last_holder);
	return 0;
}

static int control_close(struct inode *inode, struct file *file)
{
	engine_control_gone(holder_of(file));
	return 0;
}

static const struct file_operations control_operations = {
	.owner = THIS_MODULE,
	.open = control_open,
	.release = control_close,
	.unlocked_ioctl = control_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice control_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "chiscsi",
	.mode = DEVICE_MODE,
	.fops = &control_operations,
};

int control_device_start(void)
{
	return misc_register(&control_device);
}

void control_device_stop(void)
{
	misc_deregister(&control_device);
}
