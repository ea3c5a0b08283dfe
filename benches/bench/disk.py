"""What a disk takes to make something last."""

import os
import pathlib
import tempfile
import threading
import time

# As a ledger's log: pages of one commit, written over and over within a few megabytes.
BYTES = 24 << 10
FILE_BYTES = 4 << 20
EVERY_SECONDS = 0.1


class Syncs:
    """Times writes that are synced, on a thread of its own while the `with` lasts."""

    def __init__(self, folder):
        self.folder, self.seconds = pathlib.Path(folder), []
        self.done = threading.Event()

    def __enter__(self):
        self.file = tempfile.NamedTemporaryFile(dir=self.folder)
        self.file.write(bytes(FILE_BYTES))
        self.file.flush()
        os.fsync(self.file.fileno())
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
        self.file.close()

    def run(self):
        offset = 0
        while not self.done.wait(EVERY_SECONDS):
            begin = time.perf_counter()
            os.pwrite(self.file.fileno(), os.urandom(BYTES), offset)
            os.fsync(self.file.fileno())
            self.seconds.append(time.perf_counter() - begin)
            offset = (offset + BYTES) % FILE_BYTES

    def quantile(self, q):
        """In seconds."""
        found = sorted(self.seconds)
        return found[min(len(found) - 1, int(q * len(found)))]
