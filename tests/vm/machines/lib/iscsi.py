# SPDX-License-Identifier: GPL-2.0-only
"""An iSCSI initiator that knows exactly what has been answered.

Used by tests/vm/machines/power_loss, outside the machine that dies.  One session with one
connection and no authentication; many commands at a time.  Data of a write goes with its command,
so it is at most 8192 bytes.  It recovers nothing: any surprise ends the test.
"""

import collections
import socket
import struct

from volatile_disk import receive

NOP_OUT, COMMAND, LOGIN = 0x00, 0x01, 0x03
NOP_IN, RESPONSE, LOGIN_RESPONSE, DATA_IN = 0x20, 0x21, 0x23, 0x25
IMMEDIATE, FINAL, READ, WRITE = 0x40, 0x80, 0x40, 0x20
NO_TAG = 0xFFFFFFFF
GOOD = 0

Answer = collections.namedtuple("Answer", "tag status data sense")


class Unexpected(Exception):
    """The target did what this initiator did not ask for."""


def later(a, b):
    """Serial number a comes after b (RFC 1982)."""
    return 0 < (a - b) & 0xFFFFFFFF < 1 << 31


class Session:
    def __init__(self, port, initiator, target):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._command_number, self._limit, self._status_number = 1, 1, 0
        self._tag = 0
        self._data = {}  # Tag: what has come of it.
        self._login(initiator, target)

    def close(self):
        self._socket.close()

    def may_submit(self):
        return not later(self._command_number, self._limit)

    def submit(self, lun, cdb, out=b"", expect=0):
        """Sends one command; its tag comes back with the answer."""
        self._tag += 1
        flags = FINAL | (WRITE if out else 0) | (READ if expect else 0)
        length = len(out) or expect
        # A simple task, to a LUN below 256.
        header = struct.pack(">BBHI8sIIII16s", COMMAND, flags | 1, 0, len(out), bytes((0, lun)).ljust(8, b"\0"), self._tag,
                             length, self._command_number, self._status_number, cdb.ljust(16, b"\0"))
        self._command_number = (self._command_number + 1) & 0xFFFFFFFF
        self._socket.sendall(header + self._padded(out))
        return self._tag

    def answer(self):
        """The next answer to a command; EOFError or OSError when the connection is gone."""
        while True:
            header, data = self._pdu()
            kind, tag = header[0] & 0x3F, struct.unpack(">I", header[16:20])[0]
            if kind == NOP_IN:
                self._answer_ping(header)
            elif kind == DATA_IN:
                at = struct.unpack(">I", header[40:44])[0]
                if at != len(self._data.setdefault(tag, bytearray())):
                    raise Unexpected(f"data at {at}")
                self._data[tag] += data
                if header[1] & 1:
                    return Answer(tag, header[3], bytes(self._data.pop(tag)), b"")
            elif kind == RESPONSE:
                if header[2]:
                    raise Unexpected(f"response {header[2]:#x}")
                return Answer(tag, header[3], bytes(self._data.pop(tag, b"")), data[2:])
            else:
                raise Unexpected(f"a PDU with opcode {kind:#x}")

    def run(self, lun, cdb, out=b"", expect=0):
        """One command, with nothing else under way."""
        tag = self.submit(lun, cdb, out, expect)
        answer = self.answer()
        if answer.tag != tag:
            raise Unexpected(f"tag {answer.tag} and not {tag}")
        return answer

    @staticmethod
    def _padded(data):
        return data + bytes(-len(data) % 4)

    def _pdu(self):
        header = receive(self._socket, 48)
        length = int.from_bytes(header[5:8], "big")
        data = receive(self._socket, header[4] * 4 + length + -length % 4)[header[4] * 4:][:length]
        status_number, _, limit = struct.unpack(">III", header[24:36])
        if self._has_status(header):
            self._status_number = (status_number + 1) & 0xFFFFFFFF
        if later(limit, self._limit):
            self._limit = limit
        return header, data

    @staticmethod
    def _has_status(header):
        """Not so in data without status, nor in a ping of the target's own."""
        kind = header[0] & 0x3F
        return header[1] & 1 if kind == DATA_IN else kind != NOP_IN or header[16:20] != b"\xff\xff\xff\xff"

    def _answer_ping(self, header):
        tag = header[20:24]
        if tag == b"\xff\xff\xff\xff":
            return
        self._socket.sendall(struct.pack(">BBHI8sI4sII16x", NOP_OUT | IMMEDIATE, FINAL, 0, 0, header[8:16], NO_TAG, tag,
                                         self._command_number, self._status_number))

    def _login(self, initiator, target):
        keys = {"InitiatorName": initiator, "TargetName": target, "SessionType": "Normal", "HeaderDigest": "None",
                "DataDigest": "None", "DefaultTime2Wait": 2, "DefaultTime2Retain": 0, "ErrorRecoveryLevel": 0,
                "InitialR2T": "Yes", "ImmediateData": "Yes", "MaxConnections": 1, "MaxBurstLength": 262144,
                "FirstBurstLength": 65536, "MaxOutstandingR2T": 1, "DataPDUInOrder": "Yes", "DataSequenceInOrder": "Yes",
                "MaxRecvDataSegmentLength": 65536}
        text = "".join(f"{key}={value}\0" for key, value in keys.items()).encode()
        while True:
            # From the operational stage to the full-feature phase; the ISID is of the random kind.
            header = struct.pack(">BBHI6sHIHHII16x", LOGIN | IMMEDIATE, FINAL | 7, 0, len(text), b"\x80\0\0\x01\0\0", 0, 1, 0, 0,
                                 self._command_number, self._status_number)
            self._socket.sendall(header + self._padded(text))
            answer, _ = self._pdu()
            if answer[0] != LOGIN_RESPONSE or answer[36]:
                raise Unexpected(f"login status {answer[36:38].hex()}")
            if answer[1] & FINAL:
                return
            text = b""
