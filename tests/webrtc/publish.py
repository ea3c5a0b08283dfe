"""Publishes flashes and beeps over WHIP with aiortc: publish.py ENDPOINT TOKEN SECONDS [via=PORT].

A white picture and a tone for a tenth of each second, black and silence else. `via` sends everything to
another port than the answer says: a relay's.

aiortc's own player won't do. It paces each track from that track's first frame, and where a file begins
again it sets back the time of pictures, not of sound, and sends a second of pictures at once: its sender
reports then say that pictures are a second ahead of the sound.
"""

import asyncio
import fractions
import random
import re
import sys
import time
import urllib.parse
import urllib.request

from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from av import AudioFrame, VideoFrame

WIDTH, HEIGHT, PICTURES = 640, 360, 30
RATE, SAMPLES = 48_000, 960
FLASH = 0.1


class Clock:
    """When media time zero is: one moment for both tracks."""

    start = None

    async def wait_until(self, media_time: float) -> None:
        now = time.monotonic()
        if self.start is None:
            self.start = now
        await asyncio.sleep(max(0.0, self.start + media_time - now))


class Pictures(MediaStreamTrack):
    kind = "video"

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock, self.count = clock, 0
        # Grain, so that a picture takes more than one packet.
        dice = random.Random(5)
        grain = [dice.randbytes(WIDTH * HEIGHT) for _ in range(3)]
        dim, bright = (bytes(base + value % 16 for value in range(256)) for base in (16, 216))
        self.dark = [it.translate(dim) for it in grain]
        self.light = [it.translate(bright) for it in grain]

    async def recv(self) -> VideoFrame:
        number, self.count = self.count, self.count + 1
        media_time = number / PICTURES
        luma = self.light if media_time % 1 < FLASH else self.dark
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane, width, value in zip(frame.planes, (WIDTH, WIDTH // 2, WIDTH // 2), (luma[number % 3], None, None)):
            rows = value or bytes([128]) * (width * plane.height)
            room = bytes(plane.line_size - width)
            plane.update(b"".join(rows[at : at + width] + room for at in range(0, len(rows), width)))
        frame.pts, frame.time_base = number, fractions.Fraction(1, PICTURES)
        await self.clock.wait_until(media_time)
        return frame


class Tones(MediaStreamTrack):
    kind = "audio"

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock, self.count = clock, 0
        # A square wave of 1 kHz; both channels alike.
        period = [8_000] * (RATE // 1_000 // 2) + [-8_000] * (RATE // 1_000 // 2)
        wave = b"".join(value.to_bytes(2, "little", signed=True) * 2 for value in period)
        self.tone = wave * (SAMPLES * 4 // len(wave))

    async def recv(self) -> AudioFrame:
        number, self.count = self.count, self.count + 1
        media_time = number * SAMPLES / RATE
        frame = AudioFrame(format="s16", layout="stereo", samples=SAMPLES)
        frame.planes[0].update(self.tone if media_time % 1 < FLASH else bytes(SAMPLES * 4))
        frame.pts, frame.sample_rate, frame.time_base = number * SAMPLES, RATE, fractions.Fraction(1, RATE)
        await self.clock.wait_until(media_time)
        return frame


def ask(method: str, url: str, token: str, body: bytes | None = None):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    request = urllib.request.Request(url, data=body, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.headers, response.read().decode()


async def publish(endpoint: str, token: str, seconds: float, via: str | None) -> None:
    connection, clock = RTCPeerConnection(), Clock()
    video = connection.addTransceiver(Pictures(clock), "sendonly")
    codecs = RTCRtpSender.getCapabilities("video").codecs
    wanted = ("video/H264", "video/rtx")
    video.setCodecPreferences([codec for codec in codecs if codec.mimeType in wanted])
    connection.addTransceiver(Tones(clock), "sendonly")
    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp.encode()
    headers, answer = await asyncio.to_thread(ask, "POST", endpoint, token, offer)
    if via:
        answer = re.sub(r"a=candidate:\S+ 1 tcp .*\r\n", "", answer)
        answer = re.sub(r"(a=candidate:\S+ 1 udp \d+ \S+) \d+", rf"\1 {via}", answer)
    await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await asyncio.sleep(seconds)
    state = connection.connectionState
    location = urllib.parse.urljoin(endpoint, headers["Location"])
    await asyncio.to_thread(ask, "DELETE", location, token)
    await connection.close()
    print(state)


options = dict(option.split("=", 1) for option in sys.argv[4:])
asyncio.run(publish(sys.argv[1], sys.argv[2], float(sys.argv[3]), options.get("via")))
