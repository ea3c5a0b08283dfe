#!/usr/bin/env python3
"""What the gateway itself adds to a segment, with an orchestrator that answers at once.

N publishers send one file as it is (`ffmpeg -re -c copy`, started at random moments of a fixed seed,
so that their GOPs don't all close at the same time). The orchestrator returns each segment as its only
rendition, which passes the gateway's checks. Read from the gateway's histograms, over a fixed time
after a warm-up: from a GOP's last byte received to its request's first byte, and from the last byte
of the rendition to the playlist that lists it.

The streams are of the class low-latency, which lists what is there at once. Pictures are compared in
one scenario only: decoding them takes longer than all else. Everything listens on loopback, and
the publishers and the orchestrator run on the gateway's own cores. Ends with 1 when nothing was
measured, a segment was listed without its rendition, or the first scenario misses the aim.

Two scenarios, of one stream and of all, pay with a key of the gateway's, at a usual price: eight tickets a
segment. Read as well is what a payment takes, from the moment an attempt has its segment until the payment
is on record, synced to the disk, and signed. No chain is asked. What the disk takes to sync a small write is
measured meanwhile and printed beside it. They, too, end with 1 when they miss their aim, unless the disk
alone takes more than half of it. TMPDIR says which disk; one in memory (/dev/shm) shows what is left without.
With --realtime the gateway does not wait for a core that publishers or the orchestrator have: what is measured
is then the gateway's, not the scheduler's.
"""

import argparse
import collections
import pathlib
import random
import re
import sys
import tempfile
import time

from bench import clip, disk, histogram, process, servers

AIM = 0.005  # seconds, p99
STARTS_WITHIN = 10  # seconds
DELAYS = {
    "GOP to request": "router_request_delay_seconds",
    "rendition to playlist": "router_listing_delay_seconds",
}

PAYMENT_AIM = 0.002  # seconds, p99
PAYMENT = "payments_overhead_seconds"
PAYMENT_PARTS = {
    "of it, its record": "payments_recording_seconds",
    "of it, signing": "payments_signing_seconds",
}
# Go-livepeer's usual worth of a ticket, and a usual price per pixel.
PRICE_FLAGS = ["--price-per-unit", "1200", "--pixels-per-unit", "1", "--ticket-ev", "8000000000"]
PRICE_FLAGS += ["--ticket-check", "offline"]

# `streams`: only so many, measured for `longer` times as long.
Scenario = collections.namedtuple(
    "Scenario",
    "name width height bits_per_second picture_check_every paid streams longer",
    defaults=[False, None, 1],
)
SCENARIOS = [
    Scenario("720p", 1280, 720, 2_000_000, 0),
    Scenario("1080p", 1920, 1080, 4_000_000, 0),
    Scenario("720p-compared", 1280, 720, 2_000_000, 5),
    Scenario("720p-paid-alone", 1280, 720, 2_000_000, 0, paid=True, streams=1, longer=3),
    Scenario("720p-paid", 1280, 720, 2_000_000, 0, paid=True),
]

REALTIME = ["chrt", "--fifo", "1"]

CONFIGURATION = """
ladder = [{{ name = "echo", width = {width}, height = {height}, bitrate = {bits_per_second} }}]
[router]
class = "low-latency"
picture_check_every = {picture_check_every}
[[orchestrator]]
url = "{url}"
body = "{body}"
{payments}
"""

PAYMENTS = """
[payments]
mode = "onchain"
ticket_check = "offline"
eth_keystore_path = "{key}"
"""

# What the gateway's pages say before and after, its CPU in percent of a core, the seconds between, the bit
# rate of a stream, how many streams there were, and the disk's syncs.
Measured = collections.namedtuple("Measured", "before page cpu elapsed rate streams syncs")


def key_file(folder, number):
    path = folder / f"key-{number}"
    path.write_text(f"{number:02x}" * 32)
    return path


def releases(page):
    """Released segments by outcome."""
    pattern = re.compile(r'^(?:\w+_)?router_releases_total\{outcome="(\w+)"\} (\d+)', re.MULTILINE)
    return collections.Counter({outcome: int(count) for outcome, count in pattern.findall(page)})


def payments(page):
    """Payments by what became of them."""
    pattern = re.compile(r'^(?:\w+_)?payments_made_total\{outcome="(\w+)"\} (\d+)', re.MULTILINE)
    return collections.Counter({outcome: int(count) for outcome, count in pattern.findall(page)})


def measure(scenario, arguments, folder):
    size = f"{scenario.width}x{scenario.height}"
    source = folder / f"source-{size}.flv"
    if not source.exists():
        clip.make(source, size, scenario.bits_per_second)
    chance = random.Random(arguments.seed)
    streams = scenario.streams or arguments.streams
    starts = sorted(chance.uniform(0, STARTS_WITHIN) for _ in range(streams))
    flags, paying = [], ""
    if scenario.paid:
        flags = [*PRICE_FLAGS, "--eth-keystore-path", key_file(folder, 7)]
        paying = PAYMENTS.format(key=key_file(folder, 46))
    servers_of_it = arguments.headgate, arguments.faulty_orchestrator
    with servers.EchoingOrchestrator(*servers_of_it, flags) as orchestrator:
        of_it = {"url": orchestrator.url, "body": arguments.body, "payments": paying}
        text = CONFIGURATION.format(**of_it, **scenario._asdict())
        configuration = folder / "headgate.toml"
        configuration.write_text(text)
        before = REALTIME if arguments.realtime else []
        with servers.Headgate(arguments.headgate, ["--config", configuration], before) as server:
            server.wait_ready()
            urls = [server.publish_url(f"stream{n}") for n in range(streams)]
            with process.publishers(source, urls, starts):
                time.sleep(arguments.warm_up)
                before, cpu, begin = server.metrics(), process.cpu(server.pid), time.monotonic()
                with disk.Syncs(server.folder) as syncs:
                    time.sleep(arguments.seconds * scenario.longer)
                elapsed, cpu = time.monotonic() - begin, process.cpu(server.pid) - cpu
                page, rate = server.metrics(), clip.bit_rate(source)
                return Measured(before, page, 100 * cpu / elapsed, elapsed, rate, streams, syncs)


def show_buckets(page, name, before, count):
    low = 0
    for bound, below in histogram.buckets(page, name, before):
        print(f"      up to {1e3 * bound:6g} ms  {below - low:6.0f}  {100 * below / count:6.2f} %")
        low = below


def report_delay(title, name, aim, measured, arguments):
    """Prints one histogram; whether something was measured, and whether that meets the aim, if there is one."""
    page, before = measured.page, measured.before
    count = histogram.count(page, name, before)
    if not count:
        print(f"  {title:22} nothing was measured: missed")
        return False, False
    p50, p99 = (histogram.quantile(page, name, q, before) for q in (0.5, 0.99))
    met = aim is None or p99.high <= aim
    verdict = f" (aim {1e3 * aim:g} ms): {'met' if met else 'missed'}" if aim else ""
    print(f"  {title:22} p50 {histogram.show(p50)}, p99 {histogram.show(p99)} of {count}{verdict}", flush=True)
    if arguments.buckets:
        show_buckets(page, name, before, count)
    return True, met


def report_payments(measured, arguments):
    """Prints what paying takes; whether it was measured, and meets its aim as far as the disk lets it."""
    made = payments(measured.page) - payments(measured.before)
    print("  payments: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(made.items())))
    sound, met = report_delay("payment", PAYMENT, PAYMENT_AIM, measured, arguments)
    for title, name in PAYMENT_PARTS.items():
        report_delay(title, name, None, measured, arguments)
    p50, p99 = (measured.syncs.quantile(q) for q in (0.5, 0.99))
    print(f"  the disk alone         p50 {1e3 * p50:.2f} ms, p99 {1e3 * p99:.2f} ms of {len(measured.syncs.seconds)}")
    return sound, met or p99 > PAYMENT_AIM / 2


def report(scenario, arguments, folder):
    """Prints the figures; whether there are any and no segment was lost, and whether they meet the aims."""
    measured = measure(scenario, arguments, folder)
    outcomes = releases(measured.page) - releases(measured.before)
    lost = sum(outcomes.values()) - outcomes["complete"]
    compared = scenario.picture_check_every
    print(
        f"\n{scenario.width}x{scenario.height} at 30 fps, {measured.rate / 1e6:.2f} Mbit/s, GOP of 2 s, "
        f"{measured.streams} stream{'s' if measured.streams > 1 else ''}, {arguments.body}, "
        + (f"the pictures of one in {compared} segments compared" if compared else "no pictures compared")
        + (", paid" if scenario.paid else "")
        + (", the gateway first at the cores" if arguments.realtime else "")
    )
    print(
        f"  {outcomes['complete']} segments in {measured.elapsed:.0f} s, {lost} without rendition; "
        f"gateway {measured.cpu:.1f} % of a core, {measured.cpu / measured.streams:.2f} % per stream"
    )
    results = [report_delay(title, name, AIM, measured, arguments) for title, name in DELAYS.items()]
    sound = outcomes["complete"] > 0 and lost == 0 and all(sound for sound, _ in results)
    if scenario.paid:
        # What a payment adds to the delay of its request is its own aim's.
        paid_sound, met = report_payments(measured, arguments)
        return sound and paid_sound, met
    return sound, all(met for _, met in results)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--headgate", type=pathlib.Path, required=True, help="the release binary")
    parser.add_argument("--faulty-orchestrator", type=pathlib.Path, required=True, help="the release binary")
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1, help="of the moments publishers start")
    parser.add_argument("--warm-up", type=float, default=20, help="seconds after the last publisher's start")
    parser.add_argument("--seconds", type=float, default=60, help="measured time of each scenario")
    parser.add_argument("--body", choices=["mpegts", "cmaf"], default="mpegts", help="what is uploaded")
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--only", action="append", choices=names, help="may be given more than once")
    parser.add_argument(
        "--realtime", action="store_true", help="the gateway never waits for a core, on a machine that others use"
    )
    parser.add_argument("--buckets", action="store_true", help="print the histograms")
    arguments = parser.parse_args()
    chosen = [it for it in SCENARIOS if it.name in (arguments.only or names)]
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as folder:
        results = [report(scenario, arguments, pathlib.Path(folder)) for scenario in chosen]
    binding = [met for it, (_, met) in zip(chosen, results) if it.paid or it is chosen[0]]
    return 0 if all(binding) and all(sound for sound, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
