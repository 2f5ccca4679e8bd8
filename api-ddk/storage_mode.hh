// SPDX-License-Identifier: GPL-2.0-only
//
// The mode pages of a logical unit (SPC-4 section 7.5): what MODE SENSE shows of them, and what
// MODE SELECT may change. Pure functions over their arguments; who calls them keeps the values.
//
// One parameter can be changed: SWP of the Control page, software write protect. To add another:
// a member of Modes, and a line in each of put_values(), put_mask() and take_values().
#pragma once

#include "storage_driver.hh"

namespace iface {

// Answers MODE SENSE(6) or (10): writes parameter data to `response`, which is all zeros, and its
// length before any cut to `length`. `modes` as in UnitState.
Sense sense_modes(const Device& device, const Modes* modes, const u8* cdb, u8* response,
                  u32* length);

// Obeys the parameter list, `length` bytes, of MODE SELECT(6) or (10): all of it, or nothing if
// there is anything wrong with it.
Sense select_modes(const Device& device, const u8* cdb, const u8* list, u32 length, Modes* modes);

}  // namespace iface
