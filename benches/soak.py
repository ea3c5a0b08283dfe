#!/usr/bin/env python3
"""Headgate for a long time: publishers come and go, viewers fetch everything, memory must not grow.

Every few seconds the next publisher is killed and comes back 3 s later, within the reconnect
window. The last third's memory is compared with the first third's (the very first minute left out).
Ends with 1 when memory grew, a segment was missed, or the gateway died.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile
import time

from bench import clip, process, servers, viewer

GROWTH = 1.10, 8e6  # times, plus bytes: what the allocator may keep
KILL_EVERY_SECONDS = 20
AWAY_SECONDS = 3


def churn(server, source, names, deadline):
    """Kills publishers one after the other until the deadline; returns samples of memory."""
    running = {name: process.publish(source, server.publish_url(name)) for name in names}
    samples, turn, begin, away = [], 0, time.monotonic(), {}
    next_kill = begin + 60
    try:
        while (now := time.monotonic()) < deadline:
            time.sleep(1)
            if server.process.poll() is not None:
                raise RuntimeError("the gateway died: " + server.log()[-2000:])
            if now - begin > 60:
                samples.append(process.memory(server.pid))
            if now >= next_kill:
                name = names[turn % len(names)]
                running[name].kill()
                running[name].wait()
                away[name], turn, next_kill = now + AWAY_SECONDS, turn + 1, now + KILL_EVERY_SECONDS
            for name in [name for name, back in away.items() if now >= back]:
                del away[name]
                running[name] = process.publish(source, server.publish_url(name))
    finally:
        for publisher in running.values():
            publisher.kill()
        for publisher in running.values():
            publisher.wait()
    return samples, turn


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--headgate", type=pathlib.Path, required=True, help="the release binary")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--streams", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.minutes < 3:
        parser.error("a soak of less than 3 minutes shows nothing")
    names = [f"stream{n}" for n in range(arguments.streams)]
    with tempfile.TemporaryDirectory(prefix="headgate-soak-") as folder:
        source = clip.make(pathlib.Path(folder) / "source.flv", "640x360", 800_000)
        with servers.Headgate(arguments.headgate, ["--no-transcode"]) as server:
            with viewer.Viewer({name: server.playlist_url(name) for name in names}) as client:
                deadline = time.monotonic() + 60 * arguments.minutes
                samples, kills = churn(server, source, names, deadline)
                seen = client.result()
    third = len(samples) // 3
    early, late = statistics.median(samples[:third]), statistics.median(samples[-third:])
    flat = late <= GROWTH[0] * early + GROWTH[1]
    print(f"{arguments.minutes:g} min, {kills} publishers killed, {seen.segments} segments fetched")
    print(f"memory              {early / 1e6:.1f} MB early, {late / 1e6:.1f} MB late: {'flat' if flat else 'GREW'}")
    print(f"viewer's faults     {len(seen.faults)}")
    for fault in seen.faults[:10]:
        print("   ", fault)
    return 0 if flat and not seen.faults else 1


if __name__ == "__main__":
    sys.exit(main())
