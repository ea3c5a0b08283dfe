#!/usr/bin/env python3
"""Makes the fuzz corpora: small inputs that are valid, so that the fuzzer starts deep inside.

RTMP, AMF0, FLV and parameter sets come from fixtures/ffmpeg-5.1/publish.rtmp, what is under the extended
header from fixtures/ffmpeg-9.0; TS, MP4 and ADTS are made by the ffmpeg on this machine from synthetic
pictures and tones, and so are RTP packets, which it sends to a socket here.
"""

import pathlib
import socket
import struct
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
FIXTURES = HERE.parents[1] / "fixtures"
CAPTURE = FIXTURES / "ffmpeg-5.1/publish.rtmp"
ENHANCED = ["hevc", "hevc-open-gop", "av1-opus", "two-audio-tracks"]
HANDSHAKE = 1 + 1536 + 1536
PICTURE = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=1"]
TONE = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=1"]
X264 = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-b:v", "20k", "-g", "5"]
AAC = ["-c:a", "aac", "-b:a", "16k", "-ac", "1"]
# Container files: (target, name, arguments).
FILES = [
    ("ts", "av", [*PICTURE, *TONE, *X264, *AAC, "-f", "mpegts"]),
    ("ts", "b-frames", [*PICTURE, *X264, "-bf", "2", "-f", "mpegts"]),
    ("ts", "audio", [*TONE, *AAC, "-t", "0.3", "-f", "mpegts"]),
    ("mp4", "fragmented", [*PICTURE, *TONE, *X264, *AAC, "-movflags", "cmaf+empty_moov+default_base_moof"]),
    ("mp4", "moov-last", [*PICTURE, *X264, "-bf", "2"]),
    ("mp4", "moov-first", [*PICTURE, *TONE, *X264, *AAC, "-movflags", "+faststart"]),
    ("push", "ts", [*PICTURE, *TONE, *X264, *AAC, "-f", "mpegts"]),
    ("push", "mp4", [*PICTURE, *TONE, *X264, *AAC, "-f", "mp4"]),
    ("asc", "adts", [*TONE, *AAC, "-t", "0.2", "-f", "adts"]),
    ("annex_b", "stream", [*PICTURE, *X264, "-t", "0.6", "-f", "h264"]),
    ("annex_b", "with-aud", [*PICTURE, *X264, "-t", "0.3", "-bsf:v", "h264_metadata=aud=insert", "-f", "h264"]),
]
# What fits into packets whole, for the mode that can't cut.
SMALL_SLICES = ["-slice-max-size", "200", "-bsf:v", "filter_units=remove_types=6"]
# RTP streams: (target, name, ticks of a frame, arguments).
RTP = [
    ("rtp_h264", "mode-1", 9000, [*PICTURE, *X264, "-t", "0.6"]),
    ("rtp_h264", "mode-0", 9000, [*PICTURE, *X264, *SMALL_SLICES, "-t", "0.3", "-rtpflags", "h264_mode0"]),
    ("rtp_h264", "slices", 9000, [*PICTURE, *X264, "-t", "0.4", "-x264-params", "slices=3"]),
    ("rtp_opus", "stereo", 960, [*TONE, "-c:a", "libopus", "-b:a", "16k", "-ac", "2", "-t", "0.2"]),
]

# What a client says before the file it pushes.
PUSH_FIELDS = """content-duration: 1000
accept: multipart/mixed
authorization: Bearer key
livepeer-transcode-configuration: {"profiles":[{"name":"p","width":64,"height":48,"bitrate":90000}]}
"""


def messages(data):
    """The messages of an RTMP byte stream after its handshake, as (type, body); ffmpeg's needs only."""
    chunk_size, at, streams = 128, 0, {}
    while at < len(data):
        fmt, csid = data[at] >> 6, data[at] & 63
        at += 1
        state = streams.setdefault(csid, {"length": 0, "type": 0, "extended": False, "body": b""})
        if fmt < 3:
            stamp = int.from_bytes(data[at : at + 3], "big")
            state["extended"] = stamp == 0xFFFFFF
            if fmt < 2:
                state["length"] = int.from_bytes(data[at + 3 : at + 6], "big")
                state["type"] = data[at + 6]
            at += (11, 7, 3)[fmt]
        if state["extended"]:
            at += 4
        take = min(chunk_size, state["length"] - len(state["body"]))
        state["body"] += data[at : at + take]
        at += take
        if len(state["body"]) == state["length"]:
            if state["type"] == 1:
                (chunk_size,) = struct.unpack(">I", state["body"][:4])
            yield state["type"], state["body"]
            state["body"] = b""


def write(target, name, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    print(f"{target}/{name}: {len(data)} bytes")


def from_capture():
    stream = CAPTURE.read_bytes()[HANDSHAKE:]
    write("session", "publish", stream)
    write("chunk_reader", "publish", stream)
    write("chunk_reader", "commands", stream[:600])
    seen = {}
    for kind, body in messages(stream):
        number = seen[kind] = seen.get(kind, 0) + 1
        if kind in (18, 20):
            write("amf0", f"{'data' if kind == 18 else 'command'}-{number}", body)
        elif kind in (8, 9) and number <= 4:
            write("flv", f"{'audio' if kind == 8 else 'video'}-{number}", body)
            if kind == 8 and number == 1:
                write("asc", "configuration", body[2:])
            elif kind == 9 and number == 1:
                parameter_sets(body[5:])
            elif kind == 9 and number == 2:
                write("annex_b", "length-prefixed", body[5:])


def from_enhanced():
    for name in ENHANCED:
        stream = (FIXTURES / "ffmpeg-9.0" / f"{name}.rtmp").read_bytes()[HANDSHAKE:]
        if name == "two-audio-tracks":
            write("session", "enhanced", stream)
        seen = {}
        for kind, body in messages(stream):
            if kind not in (8, 9):
                continue
            number = seen[kind] = seen.get(kind, 0) + 1
            if number <= 3:
                write("enhanced_rtmp", f"{name}-{'audio' if kind == 8 else 'video'}-{number}", body)
            # Each has colours as metadata before its first picture.
            if (name, kind) == ("hevc", 9) and number in (1, 3):
                write("hevc", "record" if number == 1 else "access-unit", body[5 if number == 1 else 8 :])
            elif (name, kind) == ("av1-opus", 9) and number in (2, 4):
                write("av1", "record" if number == 2 else "temporal-unit", body[5:])
    # 500 000 ns, then a coded frame; three tracks in three codecs.
    write("enhanced_rtmp", "modifier", b"\x97\x02\x07\xa1\x20\x01hvc1\0\0\x28\0\0\0\x03\x26\x01\xaa")
    tracks = b"\x96\x23hvc1\x00\0\0\x07\0\0\0\x03\x26\x01\xaaav01\x01\0\0\x03\x32\x01\x10avc1\x02\0\0\x05\0\0\0\x01\x65"
    write("enhanced_rtmp", "many-tracks-many-codecs", tracks)


def parameter_sets(avcc):
    write("avcc", "configuration", avcc)
    (length,) = struct.unpack(">H", avcc[6:8])
    write("sps", f"profile-{avcc[9]}", avcc[8 : 8 + length])


def from_ffmpeg():
    with tempfile.TemporaryDirectory() as folder:
        for target, name, arguments in FILES:
            output = pathlib.Path(folder) / (name + (".mp4" if target == "mp4" else ".bin"))
            command = ["ffmpeg", "-v", "error", *arguments, "-map_metadata", "-1", "-y", str(output)]
            subprocess.run(command, check=True)
            data = output.read_bytes()
            if target == "push":
                data = f"/live/m/7.{name}\n{PUSH_FIELDS}\n".encode() + data
            write(target, name, data)


def from_rtp():
    for target, name, frame, arguments in RTP:
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind(("127.0.0.1", 0))
        url = f"rtp://127.0.0.1:{receiver.getsockname()[1]}?pkt_size=240"
        command = ["ffmpeg", "-v", "error", *arguments, "-bf", "0", "-f", "rtp", url]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        receiver.settimeout(0.2)
        write(target, name, b"".join(records(receiver, frame)))


def records(receiver, frame):
    """Packets in the form that crates/rtp/src/fuzzing.rs reads."""
    before = None
    while True:
        try:
            packet = receiver.recv(2048)
        except TimeoutError:
            return
        (stamp,) = struct.unpack(">I", packet[4:8])
        step = 0 if before is None else (stamp - before) % 2**32
        if step not in (0, frame):
            raise ValueError(f"a step of {step} ticks")
        before = stamp
        switches = packet[1] >> 7 | (0x08 if step else 0)
        payload = packet[12:]
        yield bytes([switches, len(payload)]) + payload


if __name__ == "__main__":
    from_capture()
    from_enhanced()
    from_ffmpeg()
    from_rtp()
