"""Processes: publishers, and what /proc says about a server and its children."""

import contextlib
import itertools
import os
import pathlib
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


def family(pid):
    """The process and everything below it."""
    found = [pid]
    for parent in found:
        for task in pathlib.Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in task.read_text().split()]
    return found


def cpu(pid):
    """User and system time of the family so far, in seconds."""
    total = 0
    for member in family(pid):
        # The name in parentheses may hold spaces; utime and stime are fields 14 and 15.
        fields = pathlib.Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def memory(pid):
    """Resident memory of the family in bytes, shared pages counted once (PSS)."""
    total = 0
    for member in family(pid):
        for line in pathlib.Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def stop(process, patience=20):
    """SIGTERM, then SIGKILL."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def publish(source, url):
    command = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(source)]
    command += ["-c", "copy", "-f", "flv", url]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def publishers(source, urls, starts=()):
    """One ffmpeg per URL, all gone in the end.

    `starts` are the seconds from now at which each starts, rising; left out, all start at once.
    """
    running, begin = [], time.monotonic()
    try:
        for url, start in itertools.zip_longest(urls, starts, fillvalue=0):
            time.sleep(max(0, begin + start - time.monotonic()))
            running.append(publish(source, url))
        yield running
        for process, url in zip(running, urls):
            if process.poll() is not None:
                raise RuntimeError(f"the publisher of {url} ended early")
    finally:
        for process in running:
            process.kill()
        for process in running:
            process.wait()
