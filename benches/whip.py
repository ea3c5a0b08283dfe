#!/usr/bin/env python3
"""Many publishers over WHIP, and thousands that never come.

Twenty FFmpegs send one file as it is, H.264 and Opus, 2 Mbit/s each. Printed: what of a core one stream
takes in the gateway's process, what the worker takes that makes AAC of its sound, the memory of both, and the
packets that were lost.

Then offers are posted that nobody follows up, and requests that stop in the middle, from an address of
their own. Printed: how many were taken and refused, what they cost, and when that was given back; a
publisher has to get in meanwhile. All of it three times: the allocator keeps what was freed, and uses it
again, so that a flood may cost memory once, not each time.

Ends with 1 when an aim is missed. Everything listens on loopback, and the publishers run on the gateway's cores.
"""

import argparse
import collections
import concurrent.futures
import pathlib
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from bench import process, servers

CPU_AIM = 0.015  # of a core, for each stream
SESSIONS = 1_000  # as by default: half of them for one address
CONNECT_SECONDS = 15
OFFERS = 2_000
HALF_OPEN = 2_000
TURNS = 3
STRANGER = "127.0.0.2"
# What an allocator may keep of a flood that was there before, times and plus bytes.
GROWTH = 1.05, 8e6

CONFIGURATION = """
[publisher]
reconnect_window = "1s"
"""


def make(ffmpeg, path, seconds):
    """720p30 with a key frame every 2 s, and a tone."""
    picture = "testsrc2=size=1280x720:rate=30,noise=alls=20:allf=t,format=yuv420p"
    command = [ffmpeg, "-v", "error", "-y", "-f", "lavfi", "-i", picture]
    command += ["-f", "lavfi", "-i", "sine=sample_rate=48000", "-t", str(seconds)]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-profile:v", "baseline", "-bf", "0"]
    command += ["-g", "60", "-keyint_min", "60", "-sc_threshold", "0"]
    command += ["-b:v", "1936k", "-maxrate", "1936k", "-bufsize", "1936k"]
    command += ["-c:a", "libopus", "-b:a", "64k", "-ac", "2", str(path)]
    subprocess.run(command, check=True)
    return path


def publish(ffmpeg, source, server, name):
    command = [ffmpeg, "-v", "error", "-re", "-i", str(source), "-c", "copy"]
    command += ["-f", "whip", "-authorization", name, f"http://{server.http}/whip"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)


def leave(publishers):
    """Each ends its session and itself."""
    for publisher in publishers:
        publisher.stdin.write(b"q")
        publisher.stdin.close()
    for publisher in publishers:
        publisher.wait(20)


def own_cpu(pid):
    """User and system time of one process so far, in seconds."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / process.TICKS


def own_memory(pid):
    """Resident memory of one process in bytes."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) * 1024


def shared_memory(pid):
    """Resident memory of one process in bytes, shared pages counted in part (PSS)."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no PSS")


def value(server, pattern):
    """The sum of the metrics whose lines match."""
    lines = re.findall(rf"^{pattern} (\S+)$", server.metrics(), re.MULTILINE)
    return sum(float(line) for line in lines)


def sessions(server):
    return int(value(server, r"\w*whip_sessions"))


def lost_datagrams(port):
    """What the kernel dropped on a UDP port, because it was not read in time."""
    for line in pathlib.Path("/proc/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{port:04X}"):
            return int(fields[-1])
    raise RuntimeError(f"no UDP port {port}")


def load(arguments, source):
    """Prints what publishers cost. Answers whether the aims are met."""
    count = arguments.publishers
    with servers.Headgate(arguments.headgate, ["--no-transcode"]) as server:
        port = int(re.search(r"webrtc=\S+:(\d+)", server.log())[1])
        idle = own_memory(server.pid)
        publishers = []
        try:
            for number in range(count):
                publishers.append(publish(arguments.ffmpeg, source, server, f"cam{number}"))
                time.sleep(0.2)
            servers.wait_for(lambda: sessions(server) == count, 30, f"{count} sessions")
            servers.wait_for(lambda: len(process.family(server.pid)) > count, 30, "a sound worker for each")
            time.sleep(10)
            members = process.family(server.pid)[1:]
            before, begin = [own_cpu(pid) for pid in (server.pid, *members)], time.monotonic()
            time.sleep(arguments.seconds)
            after, took = [own_cpu(pid) for pid in (server.pid, *members)], time.monotonic() - begin
            used = [(late - early) / took for early, late in zip(before, after)]
            memory = (own_memory(server.pid) - idle) / count
            sound = process.memory(server.pid) - shared_memory(server.pid)
            dropped_by_kernel = lost_datagrams(port)
            leave(publishers)
            servers.wait_for(lambda: sessions(server) == 0, 20, "the end of all sessions")
            packets = {what: value(server, rf'\w*whip_packets_total{{what="{what}"}}') for what in ("received", "lost")}
            units = value(server, r"\w*whip_dropped_units_total{.*}")
            lost_sound = value(server, r"\w*whip_sound_lost_total")
        finally:
            for publisher in publishers:
                publisher.kill()
                publisher.wait()
    gateway, sound_cpu = used[0] / count, sum(used[1:]) / count
    print(f"{count} publishers, {8 * source.stat().st_size / arguments.clip / 1e6:.2f} Mbit/s each, {took:.0f} s")
    print(f"CPU of a stream      {100 * gateway:.2f} % of a core, aim {100 * CPU_AIM:.1f}; its sound's worker {100 * sound_cpu:.2f}")
    print(f"memory of a stream   {memory / 1e6:.2f} MB; its sound's worker {sound / count / 1e6:.2f}")
    print(f"packets              {packets['received']:.0f} received, {packets['lost']:.0f} lost; {dropped_by_kernel} datagrams dropped by the kernel")
    print(f"units dropped        {units:.0f}; packets of sound without room {lost_sound:.0f}")
    whole = packets["lost"] == 0 and packets["received"] > 0 and dropped_by_kernel == 0 and units == 0 and lost_sound == 0
    return gateway <= CPU_AIM and whole


def connect(server):
    host, port = server.http.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=20, source_address=(STRANGER, 0))


def request(offer, key, length=None):
    head = f"POST /whip HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/sdp\r\n"
    return f"{head}Content-Length: {length or len(offer)}\r\nConnection: close\r\n\r\n".encode() + offer


def post_offers(server, offer, prefix):
    """Posts offers from eight threads. Answers how often each status came."""
    def post(number):
        with connect(server) as connection:
            connection.sendall(request(offer, f"{prefix}{number}"))
            answer = b""
            while b" " not in answer or len(answer) < 12:
                answer += connection.recv(65_536) or b"HTTP/1.1 000"
        return int(answer.split()[1])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return collections.Counter(pool.map(post, range(OFFERS)))


def open_halves(server, offer):
    """Requests that stop: half of them in their head, half in their body."""
    opened = []
    for number in range(HALF_OPEN):
        whole = request(offer, f"half{number}", len(offer) + 1)
        connection = connect(server)
        connection.sendall(whole if number % 2 else whole[:60])
        opened.append(connection)
    return opened


def still_open(connections):
    """How many the server has not closed."""
    count = 0
    for connection in connections:
        connection.setblocking(False)
        try:
            while connection.recv(4_096):
                pass
        except BlockingIOError:
            count += 1
        except OSError:
            pass
    return count


def flood(arguments, source):
    """Prints what becomes of a flood. Answers whether it is bounded and given back."""
    offer = (pathlib.Path(__file__).parent.parent / "fixtures/chromium-156/offer.sdp").read_bytes()
    good = True
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as configuration:
        configuration.write(CONFIGURATION)
        configuration.flush()
        flags = ["--no-transcode", "--config", configuration.name]
        with servers.Headgate(arguments.headgate, flags) as server:
            afterwards = [own_memory(server.pid)]
            for turn in range(TURNS):
                begin = time.monotonic()
                halves = open_halves(server, offer)
                seen = post_offers(server, offer, f"idle{turn}-")
                posted, taken, memory = time.monotonic() - begin, sessions(server), own_memory(server.pid)
                publisher = publish(arguments.ffmpeg, source, server, f"real{turn}")
                try:
                    servers.wait_for(lambda: plays(server, f"real{turn}"), 30, "a publisher among the flood")
                    got_in = time.monotonic() - begin
                    servers.wait_for(lambda: sessions(server) == 1, 60, "the end of idle sessions")
                    reaped = time.monotonic() - begin
                    servers.wait_for(lambda: still_open(halves) == 0, 60, "the end of half requests")
                    closed = time.monotonic() - begin
                    leave([publisher])
                finally:
                    publisher.kill()
                    publisher.wait()
                for connection in halves:
                    connection.close()
                # Streams whose publisher never came wait for it, and end.
                time.sleep(15)
                afterwards.append(own_memory(server.pid))
                print(f"{OFFERS} offers, {HALF_OPEN} half requests within {posted:.1f} s: {dict(seen)}; sessions {taken}")
                print(f"memory               {afterwards[-2] / 1e6:.1f} MB before, {memory / 1e6:.1f} with them, {afterwards[-1] / 1e6:.1f} afterwards")
                print(f"a publisher played   after {got_in:.1f} s; sessions gone after {reaped:.1f} s, half requests after {closed:.1f} s")
                good &= seen[201] <= SESSIONS / 2 and seen[201] + seen[503] == OFFERS
    return good and afterwards[-1] <= GROWTH[0] * afterwards[-2] + GROWTH[1]


def plays(server, name):
    try:
        return urllib.request.urlopen(server.playlist_url(name), timeout=5).status == 200
    except OSError:
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--headgate", type=pathlib.Path, required=True, help="the release binary")
    parser.add_argument("--ffmpeg", type=pathlib.Path, required=True, help="an FFmpeg with a WHIP muxer")
    parser.add_argument("--publishers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--only", choices=["load", "flood"])
    arguments = parser.parse_args()
    arguments.clip = int(arguments.seconds) + 60
    arguments.ffmpeg = arguments.ffmpeg.resolve()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    good = True
    with tempfile.TemporaryDirectory(prefix="headgate-whip-") as folder:
        source = make(arguments.ffmpeg, pathlib.Path(folder) / "source.mkv", arguments.clip)
        for part in (load, flood):
            if arguments.only in (None, part.__name__):
                good &= part(arguments, source)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
