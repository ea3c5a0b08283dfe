#!/usr/bin/env python3
"""Headgate beside nginx-rtmp: the same publishers, the same viewer, CPU and memory from /proc.

For each round and each server in turn: N publishers send one 1080p 4 Mbit/s file as it is
(`ffmpeg -re -c copy`), one client fetches every segment of every stream, and after the window has
filled, the server's CPU time is taken over a fixed time. Everything listens on loopback. Then one
stream runs through the embedded orchestrator, and the time from a GOP's last byte to the first byte
of its request is read from the gateway's histogram. Ends with 1 when a bar is missed.

A window holds more than it lists: what leaves a playlist stays downloadable for its own duration and
that of the longest playlist that listed it (RFC 8216, section 6.2.2). Both are printed.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile
import time

from bench import clip, histogram, process, servers, viewer

CPU_BAR = 1.0  # of nginx-rtmp's CPU per stream
MEMORY_BAR = 1.5, 2e6  # times the window's bytes, plus bytes
DELAY_AIM = 0.005  # seconds, p99


def measure(server, source, arguments):
    """One server under load: CPU in percent of a core per stream, bytes of memory and of window per stream."""
    with server:
        idle = process.memory(server.pid)
        names = [f"stream{n}" for n in range(arguments.streams)]
        with process.publishers(source, [server.publish_url(name) for name in names]):
            with viewer.Viewer({name: server.playlist_url(name) for name in names}) as client:
                time.sleep(arguments.warm_up)
                client.forget()
                cpu, begin, peaks = process.cpu(server.pid), time.monotonic(), []
                while time.monotonic() - begin < arguments.seconds:
                    time.sleep(1)
                    peaks.append(process.memory(server.pid))
                cpu, elapsed = process.cpu(server.pid) - cpu, time.monotonic() - begin
                seen = client.result()
    count = arguments.streams
    return {
        "cpu": 100 * cpu / elapsed / count,
        "memory": (statistics.median(peaks) - idle) / count,
        "idle": idle,
        "window": seen.window_bytes / count,
        "kept": seen.kept_bytes / count,
        "megabits": 8 * seen.bytes / elapsed / 1e6,
        "segments": seen.segments,
        "faults": seen.faults,
    }


def report_round(number, name, result):
    print(
        f"round {number} {name:9} {result['cpu']:6.3f} % of a core per stream, "
        f"{result['memory'] / 1e6:6.2f} MB per stream (idle {result['idle'] / 1e6:.1f} MB), "
        f"{result['window'] / 1e6:5.2f} MB listed, {result['kept'] / 1e6:5.2f} MB kept, "
        f"{result['segments']} segments fetched at "
        f"{result['megabits']:.1f} Mbit/s, {len(result['faults'])} faults",
        flush=True,
    )
    for fault in result["faults"][:5]:
        print("   ", fault)


def compare(arguments, folder):
    source = clip.make(folder / "source-1080p.flv", "1920x1080", 4_000_000)
    rate = clip.bit_rate(source)
    print(f"source: 1080p30, {rate / 1e6:.2f} Mbit/s, GOP of 2 s; {arguments.streams} streams")
    kinds = {
        "headgate": lambda: servers.Headgate(arguments.headgate, ["--no-transcode"]),
        "nginx": lambda: servers.Nginx(folder),
    }
    results = {name: [] for name in kinds}
    for number in range(1, arguments.rounds + 1):
        order = list(kinds) if number % 2 else list(reversed(kinds))
        for name in order:
            result = measure(kinds[name](), source, arguments)
            report_round(number, name, result)
            results[name].append(result)

    def median(name, figure):
        return statistics.median(result[figure] for result in results[name])

    ours, theirs = median("headgate", "cpu"), median("nginx", "cpu")
    memory = median("headgate", "memory")
    listed, kept = (median("headgate", figure) for figure in ("window", "kept"))
    limit = MEMORY_BAR[0] * kept + MEMORY_BAR[1]
    strict = MEMORY_BAR[0] * listed + MEMORY_BAR[1]
    print(f"\nmedians of {arguments.rounds} rounds")
    print(f"CPU per stream      headgate {ours:.3f} %, nginx-rtmp {theirs:.3f} % of a core")
    print(f"CPU ratio           {ours / theirs:.2f}  (bar {CPU_BAR:.2f}): {verdict(ours <= CPU_BAR * theirs)}")
    print(
        f"memory per stream   headgate {memory / 1e6:.2f} MB; its window holds {kept / 1e6:.2f} MB, of which "
        f"{listed / 1e6:.2f} MB are listed"
    )
    print(f"                    bar of what it holds {limit / 1e6:.2f} MB: {verdict(memory <= limit)}")
    print(f"                    bar of what is listed {strict / 1e6:.2f} MB: {verdict(memory <= strict)}")
    print(f"                    nginx-rtmp {median('nginx', 'memory') / 1e6:.2f} MB (its segments are files)")
    faults = sum(len(result["faults"]) for runs in results.values() for result in runs)
    print(f"viewer's faults     {faults}: {verdict(faults == 0)}")
    return ours <= CPU_BAR * theirs and memory <= limit and faults == 0


def request_delay(arguments, folder):
    """p50 and p99 of the time to the orchestrator, one stream, the embedded orchestrator."""
    source = clip.make(folder / "source-360p.flv", "640x360", 800_000)
    with servers.Headgate(arguments.headgate, []) as server:
        server.wait_ready()
        with process.publishers(source, [server.publish_url("delay")]):
            time.sleep(arguments.delay_seconds)
            page = server.metrics()
    name = "router_request_delay_seconds"
    count = histogram.count(page, name)
    if not count:
        print("GOP to request      no request was sent: missed")
        return False
    p50, p99 = (histogram.quantile(page, name, q) for q in (0.5, 0.99))
    print(
        f"GOP to request      p50 {histogram.show(p50)}, p99 {histogram.show(p99)} "
        f"of {count} requests (aim {DELAY_AIM * 1e3:.0f} ms): {verdict(p99.high <= DELAY_AIM)}"
    )
    return True


def verdict(good):
    return "met" if good else "missed"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--headgate", type=pathlib.Path, required=True, help="the release binary")
    parser.add_argument("--streams", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm-up", type=float, default=25, help="seconds until the windows are full")
    parser.add_argument("--seconds", type=float, default=30, help="measured time per server and round")
    parser.add_argument("--delay-seconds", type=float, default=240)
    parser.add_argument("--only-delay", action="store_true", help="skip the comparison")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as folder:
        folder = pathlib.Path(folder)
        good = arguments.only_delay or compare(arguments, folder)
        good = request_delay(arguments, folder) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
