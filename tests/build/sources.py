# SPDX-License-Identifier: GPL-2.0-only
"""What the source checks share: the list of files, code without comments, and the report.

Imported by tests/build/lint and tests/build/check-layers, which run from anywhere. Reads only files
that git tracks or would track, so generated files are never looked at. A line that must break a rule
says so where it does, with the reason: `lint: allow NAME: because ...` on it or on the line above.
"""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CODE = (".c", ".cc", ".h", ".hh")


def files():
    """All files of the project, relative to its root."""
    try:
        out = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z"],
                             check=True, capture_output=True).stdout.decode()
        names = [n for n in out.split("\0") if n]
    except (OSError, subprocess.CalledProcessError):  # An unpacked archive.
        names = []
        for folder, subs, leaves in os.walk(ROOT):
            subs[:] = [s for s in subs if s not in (".git", "build", ".probes", "__pycache__")]
            names += [os.path.relpath(os.path.join(folder, leaf), ROOT) for leaf in leaves]
        names = [n for n in names if not n.endswith(("-cxx.cc", ".mod.c", ".o", ".ko", ".cmd"))]
    return sorted({n for n in names if os.path.isfile(os.path.join(ROOT, n))})


def read(name):
    """A file's text, or None if it is not text."""
    with open(os.path.join(ROOT, name), "rb") as f:
        raw = f.read()
    if b"\0" in raw[:4096]:
        return None
    return raw.decode("utf-8", "replace")


_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_lines(text, strings=False):
    """The lines of C or C++ text with comments blanked; string literals too unless asked for."""
    def blank(m):
        token = m.group(0)
        if token[0] in "\"'":
            return token if strings else token[0] + token[-1]
        return re.sub(r"[^\n]", " ", token)
    return _TOKEN.sub(blank, text).split("\n")


def is_product(name):
    """Code that ends up in a module."""
    return name.startswith(("include/", "transport/", "target/", "offload/", "api-ddk/"))


def in_linux(name):
    return "linux" in name.split("/")[:-1]


class Report:
    """Counts the checks and prints every breach with its rule and its fix."""

    def __init__(self, program):
        self.program = program
        self.passed = self.failed = self.skipped = 0

    def check(self, name, rule, fix, breaches):
        """BREACHES: iterable of (file, line number or 0, text)."""
        found = [b for b in breaches if not self._allowed(name, b[0], b[1])]
        if not found:
            self.passed += 1
            return
        self.failed += 1
        for path, line, text in found[:20]:
            print(f"{path}:{line or 1}: {name}: {text.strip()[:120]}")
        if len(found) > 20:
            print(f"... and {len(found) - 20} more")
        print(f"  rule: {rule}\n  fix:  {fix}")

    def skip(self, name, why):
        self.skipped += 1
        print(f"{self.program}: {name} skipped: {why}")

    @staticmethod
    def _allowed(name, path, line):
        if not line:
            return False
        lines = (read(path) or "").split("\n")
        near = " ".join(lines[max(0, line - 2):line])
        return f"lint: allow {name}:" in near

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        sys.exit(1 if self.failed else 0)


def grep(pattern, names, strings=False):
    """Breaches: the lines of code of NAMES that match PATTERN outside comments."""
    wanted = re.compile(pattern)
    for name in names:
        for number, line in enumerate(code_lines(read(name) or "", strings), 1):
            if wanted.search(line):
                yield name, number, line
