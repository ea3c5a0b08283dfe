#!/usr/bin/env python3
"""What the gateway itself adds to a segment, with an orchestrator that answers at once.

N publishers send one file as it is (`ffmpeg -re -c copy`, started at random moments of a fixed seed,
so that their GOPs don't all close at the same time). The orchestrator returns each segment as its only
rendition, which passes the gateway's checks. Read from the gateway's histograms, over a fixed time
after a warm-up: from a GOP's last byte received to its request's first byte, and from the last byte
of the rendition to the playlist that lists it.

The streams are of the class low-latency, which lists what is there at once. Pictures are compared in
the last scenario only: decoding them takes longer than all else. Everything listens on loopback, and
the publishers and the orchestrator run on the gateway's own cores. Ends with 1 when nothing was
measured, a segment was listed without its rendition, or the first scenario misses the aim.
"""

import argparse
import collections
import pathlib
import random
import re
import sys
import tempfile
import time

from bench import clip, histogram, process, servers

AIM = 0.005  # seconds, p99
STARTS_WITHIN = 10  # seconds
DELAYS = {
    "GOP to request": "router_request_delay_seconds",
    "rendition to playlist": "router_listing_delay_seconds",
}

Scenario = collections.namedtuple("Scenario", "name width height bits_per_second picture_check_every")
SCENARIOS = [
    Scenario("720p", 1280, 720, 2_000_000, 0),
    Scenario("1080p", 1920, 1080, 4_000_000, 0),
    Scenario("720p-compared", 1280, 720, 2_000_000, 5),
]

CONFIGURATION = """
ladder = [{{ name = "echo", width = {width}, height = {height}, bitrate = {bits_per_second} }}]
[router]
class = "low-latency"
picture_check_every = {picture_check_every}
[[orchestrator]]
url = "{url}"
body = "{body}"
"""


def releases(page):
    """Released segments by outcome."""
    pattern = re.compile(r'^(?:\w+_)?router_releases_total\{outcome="(\w+)"\} (\d+)', re.MULTILINE)
    return collections.Counter({outcome: int(count) for outcome, count in pattern.findall(page)})


def measure(scenario, arguments, folder):
    """The gateway's pages before and after, its CPU in percent of a core, and the seconds between."""
    size = f"{scenario.width}x{scenario.height}"
    source = folder / f"source-{size}.flv"
    if not source.exists():
        clip.make(source, size, scenario.bits_per_second)
    chance = random.Random(arguments.seed)
    starts = sorted(chance.uniform(0, STARTS_WITHIN) for _ in range(arguments.streams))
    with servers.EchoingOrchestrator(arguments.headgate, arguments.faulty_orchestrator) as orchestrator:
        text = CONFIGURATION.format(url=orchestrator.url, body=arguments.body, **scenario._asdict())
        configuration = folder / "headgate.toml"
        configuration.write_text(text)
        with servers.Headgate(arguments.headgate, ["--config", configuration]) as server:
            server.wait_ready()
            urls = [server.publish_url(f"stream{n}") for n in range(arguments.streams)]
            with process.publishers(source, urls, starts):
                time.sleep(arguments.warm_up)
                before, cpu, begin = server.metrics(), process.cpu(server.pid), time.monotonic()
                time.sleep(arguments.seconds)
                elapsed, cpu = time.monotonic() - begin, process.cpu(server.pid) - cpu
                return before, server.metrics(), 100 * cpu / elapsed, elapsed, clip.bit_rate(source)


def report(scenario, arguments, folder):
    """Prints the figures; whether there are any and no segment was lost, and whether they meet the aim."""
    before, page, cpu, elapsed, rate = measure(scenario, arguments, folder)
    outcomes = releases(page) - releases(before)
    lost = sum(outcomes.values()) - outcomes["complete"]
    compared = scenario.picture_check_every
    print(
        f"\n{scenario.width}x{scenario.height} at 30 fps, {rate / 1e6:.2f} Mbit/s, GOP of 2 s, "
        f"{arguments.streams} streams, {arguments.body}, "
        + (f"the pictures of one in {compared} segments compared" if compared else "no pictures compared")
    )
    print(
        f"  {outcomes['complete']} segments in {elapsed:.0f} s, {lost} without rendition; "
        f"gateway {cpu:.1f} % of a core, {cpu / arguments.streams:.2f} % per stream"
    )
    sound, met = outcomes["complete"] > 0 and lost == 0, True
    for title, name in DELAYS.items():
        count = histogram.count(page, name, before)
        if not count:
            print(f"  {title:22} nothing was measured: missed")
            sound = False
            continue
        p50, p99 = (histogram.quantile(page, name, q, before) for q in (0.5, 0.99))
        met_here = p99.high <= AIM
        met = met and met_here
        print(
            f"  {title:22} p50 {histogram.show(p50)}, p99 {histogram.show(p99)} of {count} "
            f"(aim {1e3 * AIM:g} ms): {'met' if met_here else 'missed'}",
            flush=True,
        )
        if arguments.buckets:
            low = 0
            for bound, below in histogram.buckets(page, name, before):
                print(f"      up to {1e3 * bound:6g} ms  {below - low:6.0f}  {100 * below / count:6.2f} %")
                low = below
    return sound, met


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--headgate", type=pathlib.Path, required=True, help="the release binary")
    parser.add_argument("--faulty-orchestrator", type=pathlib.Path, required=True, help="the release binary")
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1, help="of the moments publishers start")
    parser.add_argument("--warm-up", type=float, default=20, help="seconds after the last publisher's start")
    parser.add_argument("--seconds", type=float, default=60, help="measured time of each scenario")
    parser.add_argument("--body", choices=["mpegts", "cmaf"], default="mpegts", help="what is uploaded")
    parser.add_argument("--only", choices=[scenario.name for scenario in SCENARIOS])
    parser.add_argument("--buckets", action="store_true", help="print the histograms")
    arguments = parser.parse_args()
    chosen = [it for it in SCENARIOS if arguments.only in (None, it.name)]
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as folder:
        results = [report(scenario, arguments, pathlib.Path(folder)) for scenario in chosen]
    (_, met), *_ = results
    return 0 if met and all(sound for sound, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
