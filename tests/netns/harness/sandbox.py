"""Where a test lives: process and mount namespaces of its own, so that nothing can be left behind.

/mnt          a tmpfs: the program under test, whatever the test writes; readable to all users
/run/netns    a tmpfs: names of namespaces are the test's own
/dev/net/tun  open to all users, as it is on most systems; the machine's own stays as it is
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

SKIPPED = 77
WORK = Path("/mnt")
PROGRAM = WORK / "slirpstack"
# Whoever runs the test may have folders here that other users cannot look into.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MARK = "SLIRPSTACK_TEST_SANDBOX"

# The shell stays as process 1 and reaps what nobody waits for.
ENTER = """
mount -t tmpfs -o mode=0755 tmpfs /mnt
mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns
mknod -m 0666 /mnt/tun c 10 200
mount --bind /mnt/tun /dev/net/tun
"$@" && exit 0 || exit $?
"""
UNSHARE = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc"]


def skip(reason: str) -> NoReturn:
    """Ends the test as one that could not be made."""
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def enter() -> None:
    """Starts this test again inside a sandbox, unless it is in one; there, gets the program."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup(1) would be inherited by what is tested
    if MARK not in os.environ:
        _require()
        os.environ[MARK] = "1"
        os.environ["PATH"] = PATH
        script = [*UNSHARE, "--kill-child", "--", "sh", "-euc", ENTER, "sh"]
        os.execvp(script[0], [*script, sys.executable, *sys.argv])
    shutil.copy(os.environ.get("SLIRPSTACK", "build/src/slirpstack"), PROGRAM)
    PROGRAM.chmod(0o755)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _require() -> None:
    if os.geteuid() != 0:
        skip("needs root, to make an internet; slirpstack itself runs as an ordinary user too")
    if not os.path.exists("/dev/net/tun"):
        skip("needs /dev/net/tun (modprobe tun)")
    for program in ("unshare", "nsenter", "setpriv", "ip"):
        if shutil.which(program) is None:
            skip(f"needs {program}")
    attempt = subprocess.run(
        [*UNSHARE, "--net", "ip", "link", "add", "a0", "type", "veth", "peer", "name", "b0"],
        capture_output=True,
        text=True,
        check=False,
    )
    if attempt.returncode != 0:
        skip(f"no namespaces or no veth here: {attempt.stderr.strip()}")
