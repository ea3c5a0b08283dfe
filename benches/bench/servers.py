"""The servers under load, each started by `with` and gone after it. All listen on loopback."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request

from . import process

FRAGMENT_SECONDS = 2
WINDOW_SEGMENTS = 6

NGINX = """
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
events {{ worker_connections 1024; }}
rtmp {{
    access_log off;
    server {{
        listen 127.0.0.1:{rtmp};
        application live {{
            live on;
            hls on;
            hls_path {folder}/hls;
            hls_fragment {fragment}s;
            hls_playlist_length {window}s;
        }}
    }}
}}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
    client_body_temp_path {folder}/body;
    server {{
        listen 127.0.0.1:{http};
        root {folder}/hls;
    }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.1)
    raise RuntimeError(f"{what} did not happen within {seconds} s")


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class Headgate:
    """`headgate serve --open` on free ports; `before` is a command that becomes it."""

    def __init__(self, binary, flags, before=()):
        self.binary, self.flags, self.before = pathlib.Path(binary).resolve(), flags, before

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="headgate-bench-"))
        command = [*self.before, self.binary, "serve", "--open", "--data-dir", self.folder, *self.flags]
        for listener in ("rtmp", "http", "admin"):
            command += [f"--{listener}-addr", "127.0.0.1:0"]
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = self.process.pid
        try:
            addresses = self.folder / "addresses.json"
            wait_for(addresses.exists, 20, "addresses.json")
        except RuntimeError:
            self.__exit__()
            raise
        addresses = json.loads(addresses.read_text())
        self.rtmp, self.http, self.admin = (addresses[name] for name in ("rtmp", "http", "admin"))
        return self

    def __exit__(self, *_):
        process.stop(self.process)
        shutil.rmtree(self.folder)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def publish_url(self, name):
        return f"rtmp://{self.rtmp}/live/{name}"

    def playlist_url(self, name):
        return f"http://{self.http}/{name}.m3u8"

    def wait_ready(self):
        def ready():
            try:
                return urllib.request.urlopen(f"http://{self.admin}/readyz").status == 200
            except OSError:
                return False

        wait_for(ready, 30, "readiness")

    def metrics(self):
        return urllib.request.urlopen(f"http://{self.admin}/metrics").read().decode()


class EchoingOrchestrator:
    """An orchestrator that answers each segment at once with itself, in front of one that grants sessions.

    The flags are for that one: a price, for instance. It quotes and issues ticket params; payments stay
    unchecked, as no segment reaches it.
    """

    def __init__(self, headgate, faulty_orchestrator, flags=()):
        self.headgate, self.faulty = (pathlib.Path(it).resolve() for it in (headgate, faulty_orchestrator))
        self.flags = flags

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="orchestrator-bench-"))
        self.running = []
        try:
            command = [self.headgate, "orchestrator", "--plaintext", "--addr", "127.0.0.1:0"]
            self.start([*command, "--data-dir", self.folder, *self.flags])
            addresses = self.folder / "addresses.json"
            wait_for(addresses.exists, 20, "the orchestrator's addresses.json")
            upstream = json.loads(addresses.read_text())["orchestrator"]
            command = [self.faulty, "--upstream", f"http://{upstream}", "--print-addr"]
            proxy = self.start([*command, "--faults", '{"echo": true}'])
            address = proxy.stdout.readline().decode().strip()
            if not address:
                raise RuntimeError("the echoing orchestrator did not start")
        except RuntimeError:
            self.__exit__()
            raise
        self.url = f"http://{address}"
        return self

    def start(self, command):
        with open(self.folder / "log", "ab") as log:
            started = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        self.running.append(started)
        return started

    def __exit__(self, *_):
        for started in reversed(self.running):
            process.stop(started)
            started.stdout.close()
        shutil.rmtree(self.folder)


class Nginx:
    """Debian's nginx with libnginx-mod-rtmp, one worker, segments as files below `parent`."""

    def __init__(self, parent):
        self.parent = parent

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="nginx-", dir=self.parent))
        (self.folder / "hls").mkdir()
        self.rtmp, self.http = free_port(), free_port()
        configuration = NGINX.format(
            folder=self.folder,
            user="user root;" if os.geteuid() == 0 else "",
            rtmp=self.rtmp,
            http=self.http,
            fragment=FRAGMENT_SECONDS,
            window=FRAGMENT_SECONDS * WINDOW_SEGMENTS,
        )
        (self.folder / "nginx.conf").write_text(configuration)
        command = ["/usr/sbin/nginx", "-p", self.folder, "-c", self.folder / "nginx.conf"]
        command += ["-e", self.folder / "error.log"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        try:
            wait_for(lambda: accepts(self.http) and accepts(self.rtmp), 10, "nginx's start")
        except RuntimeError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        process.stop(self.process)
        shutil.rmtree(self.folder)

    def publish_url(self, name):
        return f"rtmp://127.0.0.1:{self.rtmp}/live/{name}"

    def playlist_url(self, name):
        return f"http://127.0.0.1:{self.http}/{name}.m3u8"
