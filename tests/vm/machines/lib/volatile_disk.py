# SPDX-License-Identifier: GPL-2.0-only
"""A disk with a volatile write cache, as a server of the NBD protocol.

Used by tests/vm/machines/power_loss.  What the machine writes stays in the cache until it
flushes or asks for FUA; then it goes to the image.  When the connection ends, power is gone: of what
is in the cache each sector reaches the image or not, by chance, and not always in its newest
version, as with a disk that reorders its writes.  A sector is never torn.  It answers one machine at
a time, and nothing but reads, writes and flushes.
"""

import os
import random
import socket
import struct
import threading

SECTOR = 512
OPTION_MAGIC, REPLY_MAGIC = 0x49484156454F5054, 0x3E889045565A9
OPT_ABORT, OPT_GO = 2, 7
REP_ACK, REP_INFO, REP_ERR_UNSUP = 1, 3, 0x80000001
INFO_EXPORT, INFO_BLOCK_SIZE = 0, 3
HAS_FLAGS, SEND_FLUSH, SEND_FUA = 1, 4, 8
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3
FLAG_FUA = 1
EINVAL = 22


def receive(connection, size):
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


class VolatileDisk:
    """One image file behind a cache that loses what was not flushed."""

    def __init__(self, image, path, seed):
        self.path = path
        self._image = os.open(image, os.O_RDWR)
        self._sectors = os.fstat(self._image).st_size // SECTOR
        self._cache = {}  # Sector: its versions since the last flush, oldest first.
        self._random = random.Random(seed)
        self._off = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(1)
        threading.Thread(target=self._serve, daemon=True).start()

    def power_on(self):
        self._off.clear()

    def wait_off(self, seconds):
        """The machine has gone and what it loses is lost; False: it is still there."""
        return self._off.wait(seconds)

    def _serve(self):
        while True:
            connection, _ = self._listener.accept()
            with connection:
                try:
                    self._negotiate(connection)
                    while self._request(connection):
                        pass
                except (EOFError, ConnectionError):
                    pass
            self._lose_power()
            self._off.set()

    def _negotiate(self, connection):
        connection.sendall(b"NBDMAGIC" + struct.pack(">QH", OPTION_MAGIC, 3))
        receive(connection, 4)
        while True:
            magic, option, size = struct.unpack(">QII", receive(connection, 16))
            receive(connection, size)
            if magic != OPTION_MAGIC or option == OPT_ABORT:
                raise EOFError
            if option != OPT_GO:
                self._reply(connection, option, REP_ERR_UNSUP)
                continue
            flags = HAS_FLAGS | SEND_FLUSH | SEND_FUA
            self._reply(connection, option, REP_INFO, struct.pack(">HQH", INFO_EXPORT, self._sectors * SECTOR, flags))
            self._reply(connection, option, REP_INFO, struct.pack(">HIII", INFO_BLOCK_SIZE, SECTOR, 4096, 1 << 25))
            self._reply(connection, option, REP_ACK)
            return

    @staticmethod
    def _reply(connection, option, kind, data=b""):
        connection.sendall(struct.pack(">QIII", REPLY_MAGIC, option, kind, len(data)) + data)

    def _request(self, connection):
        """Takes one request; False when the machine says that it goes."""
        _, flags, kind, handle, offset, size = struct.unpack(">IHHQQI", receive(connection, 28))
        data = receive(connection, size) if kind == WRITE else b""
        if kind == DISCONNECT:
            return False
        error, answer = 0, b""
        if kind not in (READ, WRITE, FLUSH) or offset % SECTOR or size % SECTOR:
            error = EINVAL
        elif kind == READ:
            answer = self._read(offset, size)
        elif kind == WRITE:
            self._write(offset, data, flags & FLAG_FUA)
        else:
            self._flush(list(self._cache))
        connection.sendall(struct.pack(">IIQ", 0x67446698, error, handle) + answer)
        return True

    def _read(self, offset, size):
        data = bytearray(os.pread(self._image, size, offset))
        first = offset // SECTOR
        for sector in range(first, first + size // SECTOR):
            if sector in self._cache:
                at = (sector - first) * SECTOR
                data[at:at + SECTOR] = self._cache[sector][-1]
        return data

    def _write(self, offset, data, fua):
        sectors = range(offset // SECTOR, (offset + len(data)) // SECTOR)
        for index, sector in enumerate(sectors):
            self._cache.setdefault(sector, []).append(data[index * SECTOR:(index + 1) * SECTOR])
        if fua:
            self._flush(sectors)

    def _flush(self, sectors):
        for sector in sectors:
            os.pwrite(self._image, self._cache.pop(sector)[-1], sector * SECTOR)

    def _lose_power(self):
        keep = self._random.choice((0, 0.5, 0.9))
        for sector, versions in self._cache.items():
            if self._random.random() < keep:
                os.pwrite(self._image, self._random.choice(versions), sector * SECTOR)
        self._cache.clear()
