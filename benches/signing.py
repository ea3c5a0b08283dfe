#!/usr/bin/env python3
"""How many tickets a core signs in a second, beside ethers (npm, on Node.js) with the same tickets.

Both run on one thread, in turns, and sign what the contract hashes: each ticket is hashed, the digest is
signed as a personal message. Hashing is measured by itself as well. What they sign must be equal, bit by bit:
both choose the nonce of a signature by RFC 6979. Printed is the median of the rounds, and the fastest. More
than 100 tickets go in payments of 100, as the network wants them; 600 is all that one set of terms takes.
Ends with 1 when a signature differs, or ours are no faster than the peer's.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

from bench import process

PEER = pathlib.Path(__file__).resolve().parent / "signing_peer.mjs"
COUNTS = [1, 10, 100, 600]

TERMS = {
    "key": "46" * 32,
    "recipient": "0x73AEd7b5dEb30222fa896f399d46cC99c7BEe57F",
    "faceValue": "0x9184e72a0000",
    "winProb": "0x" + "0f" + "ff" * 31,
    "recipientRandHash": "0x" + "b7" * 32,
    "creationRound": 3_333,
    "creationRoundBlockHash": "0x" + "41" * 32,
}


class Signer:
    """A process that hashes and signs tickets on request."""

    def __init__(self, name, command):
        self.name, self.command = name, command

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.sender = self.ask(TERMS)["sender"]
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        process.stop(self.process)
        self.process.stdout.close()

    def ask(self, question):
        print(json.dumps(question), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name} ended early")
        return json.loads(answer)


def microseconds(measured):
    tickets, nanoseconds = measured
    return nanoseconds / tickets / 1e3


def show(name, answers):
    """Prints a signer's figures; its median in microseconds."""
    hashed, signed = ([microseconds(answer[part]) for answer in answers] for part in ("hashed", "signed"))
    hashing, median = statistics.median(hashed), statistics.median(signed)
    print(
        f"  {name:8} {1e6 / median:8.0f} tickets/s per core (fastest round {1e6 / min(signed):.0f}): "
        f"{median:.1f} µs per ticket, of which {hashing:.2f} µs hash it"
    )
    return median


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--signing", type=pathlib.Path, required=True, help="the example, release build")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of hashing and of signing, in each round")
    arguments = parser.parse_args()
    sound = True
    with Signer("headgate", [arguments.signing.resolve()]) as ours, Signer("ethers", ["node", PEER]) as peer:
        signers = [ours, peer]
        sound = ours.sender.lower() == peer.sender.lower()
        for signer in signers:
            # Node.js compiles what it has run often.
            signer.ask({"tickets": 100, "seconds": 1})
        for tickets in COUNTS:
            question = {"tickets": tickets, "seconds": arguments.seconds}
            rounds = [[signer.ask(question) for signer in signers] for _ in range(arguments.rounds)]
            equal = all(len({tuple(it["signatures"]) for it in answers}) == 1 for answers in rounds)
            print(f"\n{tickets} tickets, {arguments.rounds} rounds, the signatures {'equal' if equal else 'DIFFER'}")
            medians = [show(signer.name, answers) for signer, answers in zip(signers, zip(*rounds))]
            ratios = [microseconds(b["signed"]) / microseconds(a["signed"]) for a, b in rounds]
            print(
                f"  ratio    {statistics.median(ratios):.1f} times as many "
                f"({min(ratios):.1f} to {max(ratios):.1f})",
                flush=True,
            )
            sound = sound and equal and medians[0] < medians[1]
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
