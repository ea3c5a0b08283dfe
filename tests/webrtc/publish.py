"""Publishes a file over WHIP with aiortc: publish.py ENDPOINT TOKEN FILE SECONDS."""

import asyncio
import sys
import urllib.parse
import urllib.request

from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer


def ask(method: str, url: str, token: str, body: bytes | None = None):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    request = urllib.request.Request(url, data=body, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.headers, response.read().decode()


async def publish(endpoint: str, token: str, file: str, seconds: float) -> None:
    connection = RTCPeerConnection()
    player = MediaPlayer(file, loop=True)
    video = connection.addTransceiver(player.video, "sendonly")
    codecs = RTCRtpSender.getCapabilities("video").codecs
    wanted = ("video/H264", "video/rtx")
    video.setCodecPreferences([codec for codec in codecs if codec.mimeType in wanted])
    connection.addTransceiver(player.audio, "sendonly")
    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp.encode()
    headers, answer = await asyncio.to_thread(ask, "POST", endpoint, token, offer)
    await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await asyncio.sleep(seconds)
    state = connection.connectionState
    location = urllib.parse.urljoin(endpoint, headers["Location"])
    await asyncio.to_thread(ask, "DELETE", location, token)
    await connection.close()
    print(state)


asyncio.run(publish(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
