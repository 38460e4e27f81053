"""Runs a command that sees a kernel without links of BPF programs to TC, as those before 6.6 are.

    python3 without_tcx.py COMMAND...
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ALLOW = 0x7FFF0000
SECCOMP_RET_ERRNO = 0x00050000
BPF_LINK_CREATE = 28
NUMBER_OF_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]

LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_OFFSET, FIRST_ARGUMENT_OFFSET = 0, 16


def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def main() -> None:
    code = b"".join(
        [
            instruction(LOAD_WORD, NUMBER_OFFSET),
            instruction(JUMP_IF_EQUAL, NUMBER_OF_BPF, 0, 3),
            instruction(LOAD_WORD, FIRST_ARGUMENT_OFFSET),
            instruction(JUMP_IF_EQUAL, BPF_LINK_CREATE, 0, 1),
            instruction(RETURN, SECCOMP_RET_ERRNO | errno.EINVAL),
            instruction(RETURN, SECCOMP_RET_ALLOW),
        ]
    )
    text = ctypes.create_string_buffer(code)
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(text)))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) != 0:
        sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
