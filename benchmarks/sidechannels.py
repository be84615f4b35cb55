"""What the time of a failed decryption tells, which the bench reports.

Nothing is asserted. Messages that fail, each for another reason, are decrypted by turns in random
order, and the times of each class are compared with those of the first by Welch's t: beyond 4.5
the difference would be seen by somebody who may ask that often (the threshold of test vector
leakage assessment, ISO/IEC 17825). `python -m benchmarks.sidechannels --rounds N` asks longer.
"""

import argparse
import math
import random
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import smimekit
from smimekit import Credential, DecryptionError
from smimekit.algorithms import AES256_CBC
from smimekit.cms.enveloped import enveloped_data, new_content_key
from smimekit.cms.recipients import KeyTransRecipient
from smimekit.cms.wrapping import wrap_for
from smimekit.policy import Policy
from smimekit.testing import FakeCA

__all__ = ["Failure", "Times", "failures", "measure", "messages"]

TEXT = b"Content-Type: text/plain\r\n\r\n" + b"The plan is on.\r\n" * 20 + b"x"


@dataclass(frozen=True)
class Times:
    """Of one class: nanoseconds of each decryption, without the slowest twentieth."""

    kept: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.kept)

    def t(self, other: "Times") -> float:
        """Welch's t of two classes."""
        spread = sum(statistics.variance(each.kept) / len(each.kept) for each in (self, other))
        return (statistics.fmean(self.kept) - statistics.fmean(other.kept)) / math.sqrt(spread)


@dataclass(frozen=True)
class Failure:
    """What one class of messages that fail costs."""

    path: str
    wrong: str
    """What is wrong with them."""
    seconds: float
    t: float | None
    """Welch's t against the first class of the path, which itself has none."""


def _swap(data: bytes, place: bytes, at: int, flip: int) -> bytes:
    """One octet changed, counted from where `place` begins."""
    changed = bytearray(data)
    changed[data.index(place) + at] ^= flip
    return bytes(changed)


def messages(bob: Credential) -> Mapping[str, Mapping[str, bytes]]:
    """For each path, the messages that fail there, by what is wrong with them."""
    key = new_content_key(AES256_CBC)
    info = wrap_for(bob.certificate, key, Policy.INTEROP.rsa_padding)
    good = enveloped_data(TEXT, AES256_CBC, key, [info])
    assert isinstance(info, KeyTransRecipient)
    wrong = new_content_key(AES256_CBC)
    other = wrap_for(bob.certificate, wrong, Policy.INTEROP.rsa_padding)
    assert isinstance(other, KeyTransRecipient)
    whole, tail = info.encrypted_key, good[-32:]
    return {
        "PKCS #1 v1.5": {
            "another key, well padded": good.replace(whole, other.encrypted_key),
            "padding is broken": _swap(good, whole, 255, 1),
            "padding is broken at its head": _swap(good, whole, 128, 0x40),
            "zeros": good.replace(whole, bytes(256)),
        },
        "CBC": {
            # Of the last block but one: CBC carries a change over to the padding.
            "length is too large": _swap(good, tail, 15, 0x55),
            "length is too large, by another bit": _swap(good, tail, 15, 0x80),
            "first octet of padding": _swap(good, tail, 15 - good_padding() + 1, 0x55),
        },
    }


def good_padding() -> int:
    """Octets of padding behind TEXT (RFC 5652, 6.3)."""
    return 16 - len(TEXT) % 16


def _spend(message: bytes, bob: Credential) -> float:
    begun = time.perf_counter_ns()
    # A random key that takes the place of one that does not open fits the padding once in 256.
    with suppress(DecryptionError):
        smimekit.decrypt(message, [bob])
    return time.perf_counter_ns() - begun


def measure(
    classes: Mapping[str, bytes], bob: Credential, *, rounds: int, seed: int = 1
) -> dict[str, Times]:
    """By turns, in random order; each class equally often."""
    order = random.Random(seed)  # noqa: S311 - no secret
    found: dict[str, list[float]] = {name: [] for name in classes}
    names = list(classes)
    for _ in range(rounds):
        order.shuffle(names)
        for name in names:
            found[name].append(_spend(classes[name], bob))
    return {
        name: Times(tuple(sorted(each)[: max(2, len(each) * 19 // 20)]))
        for name, each in found.items()
    }


def failures(rounds: int) -> Iterator[Failure]:
    """All classes, measured in so many rounds."""
    bob = FakeCA("Timing CA").person("bob@example.org", key="rsa-2048")
    for path, classes in messages(bob).items():
        times = measure(classes, bob, rounds=rounds)
        first = next(iter(times.values()))
        for name, each in times.items():
            t = None if each is first else each.t(first)
            yield Failure(path, name, each.median / 1e9, t)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5_000)
    for each in failures(parser.parse_args().rounds):
        t = "" if each.t is None else f"t = {each.t:+.1f}"
        print(f"{each.path:12} {each.wrong:40} {each.seconds * 1e6:7.1f} us  {t}")


if __name__ == "__main__":
    main()
