"""One client that fetches every segment of every stream, over one connection per stream."""

import collections
import http.client
import threading
import time
import urllib.parse

POLL_SECONDS = 1
# How long a stream may take to appear, and how often in a row a playlist may fail after that.
PATIENCE_SECONDS = 15

Result = collections.namedtuple("Result", "segments bytes window_bytes kept_bytes faults")


class Stream:
    """Every media playlist of one stream: the multivariant's, or the only one."""

    def __init__(self, name, url):
        parts = urllib.parse.urlsplit(url)
        self.name, self.path = name, parts.path
        self.connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        self.playlists = None
        # Playlist to its next sequence number, its pieces' sizes, and the paths it lists now.
        self.next, self.sizes, self.listed = {}, {}, {}
        self.segments, self.bytes, self.faults = 0, 0, []

    def get(self, path):
        self.connection.request("GET", path)
        response = self.connection.getresponse()
        return response.status, response.read()

    def poll(self):
        """Fetches what is new. False while the stream is not there yet."""
        if self.playlists is None:
            status, body = self.get(self.path)
            if status != 200:
                return False
            self.playlists = self.find_playlists(body.decode())
        for playlist in self.playlists:
            status, body = self.get(playlist)
            if status != 200:
                return False
            self.read(playlist, body.decode())
        return True

    def find_playlists(self, text):
        lines = text.splitlines()
        if not any(line.startswith("#EXT-X-STREAM-INF") for line in lines):
            return [self.path]
        found = [line for line in lines if line and not line.startswith("#")]
        found += [uri for line in lines if line.startswith("#EXT-X-MEDIA:") for uri in quoted(line, "URI")]
        return list(dict.fromkeys(urllib.parse.urljoin(self.path, uri) for uri in found))

    def read(self, playlist, text):
        sequence, listed, gap = 0, [], False
        for line in text.splitlines():
            if line.startswith("#EXT-X-MEDIA-SEQUENCE:"):
                sequence = int(line.partition(":")[2])
            elif line.startswith("#EXT-X-MAP:"):
                for uri in quoted(line, "URI"):
                    path = urllib.parse.urljoin(playlist, uri)
                    if path not in self.sizes:
                        self.fetch(path)
            elif line == "#EXT-X-GAP":
                gap = True
            elif line and not line.startswith("#"):
                listed.append((sequence, None if gap else urllib.parse.urljoin(playlist, line)))
                sequence, gap = sequence + 1, False
        if not listed:
            return
        expected = self.next.get(playlist, listed[0][0])
        if listed[0][0] > expected:
            self.faults.append(f"{self.name}: segments {expected} to {listed[0][0] - 1} were missed")
        for number, path in listed:
            if number >= expected and path:
                self.fetch(path)
        self.next[playlist] = sequence
        self.listed[playlist] = [path for _, path in listed if path]

    def fetch(self, path):
        status, body = self.get(path)
        if status != 200:
            self.faults.append(f"{self.name}: {status} for {path}")
        self.sizes[path] = len(body)
        self.segments += 1
        self.bytes += len(body)

    def kept_bytes(self):
        """What can be downloaded now: the window, and what left it and may still be asked for."""
        listed = {path for paths in self.listed.values() for path in paths}
        return sum(size for path, size in self.sizes.items() if path in listed or self.is_there(path))

    def is_there(self, path):
        self.connection.request("HEAD", path)
        response = self.connection.getresponse()
        response.read()
        return response.status == 200

    def window_bytes(self):
        return sum(self.sizes.get(path, 0) for paths in self.listed.values() for path in paths)


def quoted(line, attribute):
    _, found, rest = line.partition(f'{attribute}="')
    return [rest.partition('"')[0]] if found else []


class Viewer:
    """Follows streams, given as name to playlist URL, on a thread each while the `with` lasts."""

    def __init__(self, urls):
        self.streams = [Stream(name, url) for name, url in urls.items()]
        self.done = threading.Event()

    def __enter__(self):
        self.threads = [threading.Thread(target=self.follow, args=(stream,)) for stream in self.streams]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join()

    def follow(self, stream):
        last_good = time.monotonic()
        while not self.done.wait(POLL_SECONDS):
            try:
                if stream.poll():
                    last_good = time.monotonic()
            except (OSError, http.client.HTTPException) as error:
                stream.connection.close()
                if not self.done.is_set():
                    stream.faults.append(f"{stream.name}: {error!r}")
            if time.monotonic() - last_good > PATIENCE_SECONDS:
                stream.faults.append(f"{stream.name}: no playlist for {PATIENCE_SECONDS} s")
                last_good = time.monotonic()

    def forget(self):
        """Counts segments and bytes from here on; faults stay."""
        for stream in self.streams:
            stream.segments, stream.bytes = 0, 0

    def result(self):
        """What was seen until now; ends the following."""
        self.__exit__()
        return Result(
            sum(stream.segments for stream in self.streams),
            sum(stream.bytes for stream in self.streams),
            sum(stream.window_bytes() for stream in self.streams),
            sum(stream.kept_bytes() for stream in self.streams),
            [fault for stream in self.streams for fault in stream.faults],
        )
