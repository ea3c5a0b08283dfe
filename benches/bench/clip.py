"""The file that publishers send."""

import subprocess

SECONDS = 20


def make(path, size, bits_per_second):
    """A moving, noisy picture with a tone, H.264 and AAC, a key frame every 2 s, as FLV."""
    audio = 128_000
    video = str(bits_per_second - audio)
    picture = f"testsrc2=size={size}:rate=30,noise=alls=20:allf=t,format=yuv420p"
    command = ["ffmpeg", "-v", "error", "-y"]
    command += ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=sample_rate=48000"]
    command += ["-t", str(SECONDS), "-c:v", "libx264", "-preset", "veryfast", "-bf", "2"]
    command += ["-g", "60", "-keyint_min", "60", "-sc_threshold", "0"]
    command += ["-b:v", video, "-maxrate", video, "-bufsize", video]
    command += ["-c:a", "aac", "-b:a", str(audio), "-f", "flv", str(path)]
    subprocess.run(command, check=True)
    return path


def bit_rate(path):
    return 8 * path.stat().st_size / SECONDS
