"""Messages that are made to burn time: each is a result or an error, soon, in linear time.

They go off in a process of their own, which counts the processor time that it spends: how
busy the machine is hardly shows. Most take hundredths of a second, none takes one; OpenSSL
takes more than a minute for the first.
"""

import json
import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest

import smimekit
from smimekit.limits import Limits
from tests.measure import forget_peak, resident
from tests.misuse import bombs
from tests.once import once

HERE = Path(__file__).resolve()
MIB = 1 << 20
GENEROUS = 3.0
"""Seconds; a second is what is promised, on a machine that does nothing else."""


def sizes(name: str) -> tuple[int, int]:
    """A size, and the double, which is one that was promised."""
    if name.startswith(("depth", "an OID", "zeros")):
        return 500_000, 1_000_000
    return (250_000, 500_000) if name.startswith("segments") else (50_000, 100_000)


def codes(name: str) -> set[str]:
    """What may come of it: of counts, of long OIDs and of depth the limit, of zeros
    the ratio, and of what nobody looks into a result; not any error that happens to come first.
    """
    if name in bombs.COUNTS:
        named = {"values": "attributes", "revocation lists": "crls"}.get(name, name)
        known = {"digest algorithms, indefinite": "digest-algorithms"}
        known |= {"signers that are none": "signers", "recipients of unknown kinds": "recipients"}
        return {f"limit.{known.get(name, named).replace(' ', '-')}"}
    if name.startswith("an OID"):
        return {"result"} if "certificate" in name else {"limit.oid-bytes"}
    if name.startswith("depth"):
        return {"limit.cms-depth", "cms.not-cms", "cms.unexpected", "result", "asn1.unexpected"}
    return {"limit.inflate-ratio"} if name.startswith("zeros") else {"result"}


Found = dict[str, list[tuple[str, float, int | None]]]


def set_off() -> str:
    """All of them."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(
            (str(Path(smimekit.__file__).parents[1]), str(HERE.parents[2]))
        )
    }
    done = subprocess.run(
        [sys.executable, str(HERE.with_name("bombs.py"))],
        input=json.dumps({name: sizes(name) for name in bombs.BOMBS}),
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    read: Found = json.loads(once(tmp_path_factory.getbasetemp(), "bombs", set_off))
    return read


@pytest.mark.parametrize("name", bombs.BOMBS)
def test_a_bomb_burns_no_time(name: str, found: Found) -> None:
    bare, mail, twice_bare, twice_mail = found[name]
    # What begins with an unknown type is CMS only where somebody says so.
    allowed = codes(name) | ({"mime.no-header"} if "everything" in name else set())
    assert bare[0] in allowed
    assert twice_bare[0] in allowed
    assert {mail[0], twice_mail[0]} <= codes(name)
    for single, double in ((bare[1], twice_bare[1]), (mail[1], twice_mail[1])):
        assert double < GENEROUS
        assert double < 4 * single + 0.3  # a quadratic one takes four times as long, and seconds


@pytest.mark.parametrize("name", bombs.BOMBS)
def test_a_bomb_takes_no_memory(name: str, found: Found) -> None:
    """Some copies of what came in, and a constant: never what it says it would unpack to."""
    single, double = sizes(name)
    for size, (_, _, taken) in zip((single, single, double, double), found[name], strict=True):
        if taken is None:
            pytest.skip("this system does not tell the peak of memory")
        # Chunks, copies and what an allocator keeps, and not the gigabyte that some unpack to.
        assert taken < 32 * MIB + 4 * len(bombs.BOMBS[name](size)), f"{taken} octets"


def test_the_measure_of_memory_sees_it() -> None:
    if not forget_peak():
        pytest.skip("this system does not tell the peak of memory")
    before = resident("VmRSS")
    with mmap.mmap(-1, 64 * MIB) as fresh:  # an allocator may have as much left from before
        for _ in range(64):
            fresh.write(b"x" * MIB)
    assert resident("VmHWM") - before > 60 * MIB


def test_what_is_within_the_limits_passes_them() -> None:
    """The same messages, smaller: it is their size that is refused, and not their kind."""
    limits = Limits()
    sized = {
        "certificates": limits.certificates,
        "revocation lists": limits.crls,
        "signers": limits.signers,
        "attributes": limits.attributes,
        "values": limits.attributes,
        "digest algorithms": limits.digest_algorithms,
        "recipients": limits.recipients,
    }
    for name, most in sized.items():
        assert bombs.spend(bombs.COUNTS[name](most))[0] == "result", name
        assert bombs.spend(bombs.COUNTS[name](most + 1))[0].startswith("limit."), name
    for name, made in bombs.OIDS.items():
        if name != "of everything":
            assert bombs.spend(made(20))[0] == "result", name
