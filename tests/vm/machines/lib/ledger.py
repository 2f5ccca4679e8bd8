# SPDX-License-Identifier: GPL-2.0-only
"""What a unit and its reservations must hold after power was lost.

Used by tests/vm/machines/power_loss.  A writer hands out commands, hears of their answers and, after
the loss, judges what is read back.  Every block that is written names its unit, its place and a
number, and has a checksum, so that a stale, a misplaced and a torn one are told apart.  Nothing here
talks to a target.
"""

import random
import struct
import zlib

BLOCK = 512
HEAD = struct.Struct(">4sIQQ")
FILLER = random.Random(1).randbytes(1 << 16)
WRITE_10, SYNCHRONIZE_10, RESERVE_OUT = 0x2A, 0x35, 0x5F
FUA = 0x08
MOST_BLOCKS = 16  # 8192 bytes, so that the data goes with the command.


def make_block(unit, place, number):
    at = (place * 97 + number * 31) % (len(FILLER) - BLOCK)
    body = HEAD.pack(b"BLCK", unit, place, number) + FILLER[at:at + BLOCK - HEAD.size - 4]
    return body + struct.pack(">I", zlib.crc32(body))


def number_of(block, unit, place):
    """The number of an intact block of this place, 0 for one never written, None for any other."""
    if not any(block):
        return 0
    magic, its_unit, its_place, number = HEAD.unpack_from(block)
    whole = zlib.crc32(block[:-4]) == struct.unpack(">I", block[-4:])[0]
    return number if whole and (magic, its_unit, its_place) == (b"BLCK", unit, place) else None


class BlockWriter:
    """Writes one unit at random places, some of it with FUA, and flushes now and then.

    A unit that says SYNC is written without FUA and never flushed: each answer must do.
    """

    depth = 8

    def __init__(self, name, lun, blocks, synced, seed):
        self.name, self.lun, self.synced = name, lun, synced
        self.lost = 0  # Blocks that were answered, not flushed, and gone.
        self.durable_answers = 0
        self._blocks = blocks
        self._random = random.Random(seed)
        self._choose_rates()
        self._number = 0
        self._issued = [0] * blocks
        self._answered = [0] * blocks
        self._durable = [0] * blocks
        self._under_way = {}  # Tag: (kind, what the answer makes true).
        self._busy = set()

    def _choose_rates(self):
        """How often it flushes, and writes with FUA: in some lives much is lost, in others little."""
        self._flushes, self._fua = self._random.choice(((0.01, 0.01), (0.03, 0.1), (0.1, 0.3)))

    def next_command(self):
        """A CDB and its data; None: enough is under way."""
        if len(self._under_way) >= self.depth:
            return None
        if not self.synced and self._random.random() < self._flushes:
            return self._flush()
        count = self._random.randint(1, MOST_BLOCKS)
        first = self._random.randrange(self._blocks - count)
        places = range(first, first + count)
        if self._busy.intersection(places):
            return None
        return self._write(places, not self.synced and self._random.random() < self._fua)

    def _flush(self):
        self._next = ("flush", list(self._answered))
        return struct.pack(">BBIBHB", SYNCHRONIZE_10, 0, 0, 0, 0, 0), b""

    def _write(self, places, fua):
        self._number += 1
        self._busy.update(places)
        for place in places:
            self._issued[place] = self._number
        self._next = ("durable" if fua or self.synced else "plain", (places, self._number))
        data = b"".join(make_block(self.lun, place, self._number) for place in places)
        return struct.pack(">BBIBHB", WRITE_10, FUA if fua else 0, places[0], 0, len(places), 0), data

    def submitted(self, tag):
        self._under_way[tag] = self._next

    def answered(self, answer):
        kind, what = self._under_way.pop(answer.tag)
        if answer.status:
            return False
        if kind == "flush":
            self._durable = [max(pair) for pair in zip(self._durable, what)]
        else:
            places, number = what
            self._busy.difference_update(places)
            for place in places:
                self._answered[place] = number
                if kind == "durable":
                    self._durable[place] = number
        self.durable_answers += kind != "plain"
        return True

    def judge(self, content):
        """What is wrong with the unit's content after the loss; from then on it is what must be there."""
        wrong = []
        for place in range(self._blocks):
            number = number_of(content[place * BLOCK:(place + 1) * BLOCK], self.lun, place)
            if number is None:
                wrong.append(f"block {place} is torn or not its own")
            elif not self._durable[place] <= number <= self._issued[place]:
                wrong.append(f"block {place} holds {number}, and {self._durable[place]} was made durable")
            else:
                self.lost += number < self._answered[place]
                self._durable[place] = self._answered[place] = self._issued[place] = number
        self._under_way.clear()
        self._busy.clear()
        self._choose_rates()
        return wrong


class KeyWriter:
    """Registers one key after the other with APTPL, and reserves and releases in between."""

    depth = 1
    TYPE = 3  # Exclusive access.
    REGISTER_AND_IGNORE, RESERVE, RELEASE = 6, 1, 2

    def __init__(self, name, lun):
        self.name, self.lun = name, lun
        self.durable_answers = 0
        self._step = 0
        self._safe = (0, False)  # Key and whether it holds the reservation.
        self._tag = self._next = None

    def next_command(self):
        if self._tag is not None:
            return None
        self._step += 1
        key, held = self._safe
        new = key
        if self._step % 2 or not key:
            action, new = self.REGISTER_AND_IGNORE, self._step
        elif held:
            action, held = self.RELEASE, False
        else:
            action, held = self.RESERVE, True
        self._next = (new, held)
        registers = action == self.REGISTER_AND_IGNORE
        parameters = struct.pack(">QQ4xBxxx", 0 if registers else key, new if registers else 0, 1 if registers else 0)
        return struct.pack(">BBB2xIB", RESERVE_OUT, action, 0 if registers else self.TYPE, len(parameters), 0), parameters

    def submitted(self, tag):
        self._tag = tag

    def answered(self, answer):
        self._tag = None
        if answer.status:
            return False
        self._safe = self._next
        self.durable_answers += 1
        return True

    def judge(self, keys, holder):
        """The keys of READ KEYS and READ RESERVATION: the last answered, or the one under way."""
        allowed = [self._safe] + ([self._next] if self._tag is not None else [])
        found = (keys[0] if keys else 0, bool(holder))
        self._tag = None
        if len(keys) > 1 or found not in allowed or holder and holder != keys:
            return [f"keys {keys}, holder {holder}; allowed: {allowed}"]
        self._safe = found
        return []
