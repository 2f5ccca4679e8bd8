// SPDX-License-Identifier: GPL-2.0-only
//
// Where storage of the POSIX port does what may wait: on a few threads of its own, or, on the
// simulated host, while settle() runs.
#pragma once

#include <functional>

// Work of the engine (os_work_queue()), and requests of devices. Context: any.
void host_storage_step(std::function<void()> job);
void host_storage_request(std::function<void()> job);
// Somebody waits for a request to end.
void host_storage_pause();
