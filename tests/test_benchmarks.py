"""The benchmarks at the smallest size: that they run, and that what they say is what they measured."""

import argparse
import json
import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import __main__ as program
from benchmarks import curves, material, measure, one, report, scale, special
from benchmarks.contenders import CONTENDERS, LIMIT, OURS
from benchmarks.measure import Figure, Measured
from benchmarks.operations import LARGE, ROWS, SMALL, Row, Sizes
from benchmarks.plot import plot
from benchmarks.sidechannels import Failure
from benchmarks.timing import by_turns, ratios

SIZES = replace(Sizes.tiny(), mails=1, many=3, large=100_000, scanned=100_000)
IN_PROCESS = [LIMIT, OURS, CONTENDERS["cryptography"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("material")
    material.make(path, SIZES)
    material.make_large(path, SIZES)
    return path


@pytest.mark.parametrize("row", SMALL + LARGE, ids=lambda row: row.key)
def test_each_operation_runs(row: Row, folder: Path) -> None:
    """What a contender has, it does; what it lacks, it says."""
    # Of streams in BER, `cryptography` reads none: that is found out when they are measured.
    for each in IN_PROCESS[:2] if row.large else IN_PROCESS:
        if row.key.startswith("verify") and each not in (LIMIT, OURS):
            with pytest.raises(LookupError, match=r"no function|keeps nothing"):
                each.action(row.key, folder)
        else:
            each.action(row.key, folder)()


def test_verification_is_no_pretence(folder: Path) -> None:
    """What is measured as verified would be refused if it were not good."""
    mail = next(folder.glob("signed-rsa-*.eml"))
    good = mail.read_bytes()
    mail.write_bytes(good.replace(b"lazy dog", b"lazy cat"))
    try:
        with pytest.raises(Exception, match="changed after it was signed"):
            OURS.action("verify-rsa", folder)()
    finally:
        mail.write_bytes(good)


def test_a_contender_tells_what_ails_it(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own; here in this one."""
    monkeypatch.setattr("sys.argv", ["one", "endesive", str(folder)])
    one.main()
    said = json.loads(capsys.readouterr().out)
    assert all(isinstance(each, str) and each for each in said.values())
    monkeypatch.setattr("sys.argv", ["one", "smimekit", str(folder)])
    one.main()
    assert json.loads(capsys.readouterr().out) == {}


def test_a_large_row_has_time_and_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "CONTENDERS", {LIMIT.name: LIMIT, OURS.name: OURS})
    row = next(row for row in LARGE if row.key == "sign-large")
    found = measure.large_row(row, folder, SIZES, {})
    ours = found.figures[OURS.name]
    assert found.figures[LIMIT.name].share == pytest.approx(1)
    assert ours.seconds > 0
    assert ours.peak is not None
    assert ours.peak > 1 << 20


def test_the_scan_and_the_import(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(special, "RUNS", 1)
    rows = {row.key: row for row in ROWS}
    scan = measure.small_row(rows["scan"], folder, SIZES, {})
    assert scan.figures[OURS.name].share
    imported = measure.small_row(rows["import"], folder, SIZES, {})
    assert 0 < imported.figures[OURS.name].seconds < 5


def test_who_hangs_is_skipped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_LONGEST", 1e-3)
    monkeypatch.setattr(measure, "CONTENDERS", {"endesive": CONTENDERS["endesive"]})
    said = measure.abilities(folder)["endesive"]
    assert set(said.values()) == {"it was not done after 0.001 s"}


def test_turns_are_taken() -> None:
    """Each round runs each action, so that a share compares what was done at one time."""
    done: list[str] = []
    times = by_turns(
        {"a": lambda: done.append("a"), "b": lambda: done.append("b")}, rounds=3, seconds=0
    )
    assert done == ["a", "b"] + ["a", "b"] * 3
    assert {name: len(each) for name, each in times.items()} == {"a": 3, "b": 3}
    assert ratios([1.0, 2.0, 9.0], [2.0, 2.0, 3.0]) == (1.0, 0.75, 2.0)


def test_who_is_slow_sits_out_the_later_rounds() -> None:
    """And is compared with what the limit took in the rounds before."""
    times = by_turns(
        {"limit": lambda: sum(range(2_000)), "slow": lambda: sum(range(2_000_000))},
        rounds=3, seconds=1e-3, patience=1e-3,
    )  # fmt: skip
    assert {name: len(each) for name, each in times.items()} == {"limit": 3, "slow": 1}
    assert ratios([1.0, 9.0, 9.0], [2.0]) == (0.5, 0.5, 0.5)


def measured(share: float, seconds: float, over: int | None = None) -> Measured:
    row = Row("sign-large", "sign 200 MB", 50, "35 %", large=True, note="<= 32 MiB")
    figures = {
        "limit": Figure(1.0, 1.0),
        "smimekit": Figure(seconds, share, (share - 0.04, share + 0.04), over, over),
        "peer": Figure(3.0, 0.33, None, 5 << 20, 6 << 20),
    }
    return Measured(row, figures, {"other": "it said | this"}, 200_000_000)


def run(found: Measured, *failures: Failure) -> report.Run:
    return report.Run([found], list(failures), {"a": "b"})


@pytest.mark.parametrize(
    "share, over, reached",
    [(0.5, 32 << 20, True), (0.49, 1, False), (0.9, (32 << 20) + 1, False)],
)
def test_an_aim_is_reached_or_not(share: float, over: int, reached: bool) -> None:
    found = measured(share, 2.0, over)
    assert report.reaches(found) is reached
    page = report.as_markdown(run(found), {"sign-large": "the reason"})
    assert ("the reason" in page) is not reached
    assert "100 MB/s" in page
    assert f"({share * 100 - 4:.3g} to {share * 100 + 4:.3g})" in page
    assert "peer: 33 %" in page
    assert "it said / this" in page


def test_figures_make_the_same_page_again() -> None:
    found = run(measured(0.6, 2.0, 1), Failure("CBC", "too long", 25e-6, None))
    again = report.from_json(report.as_json(found))
    assert report.as_markdown(again, {}) == report.as_markdown(found, {})


def test_the_page_says_what_failures_cost() -> None:
    first = Failure("CBC", "too long", 25e-6, None)
    page = report.as_markdown(
        run(measured(0.6, 2.0), first, Failure("CBC", "odd", 26e-6, -1.5)), {}
    )
    assert "| CBC | too long | 25.0 µs | - |" in page
    assert "| CBC | odd | 26.0 µs | -1.5 |" in page
    assert "What the time of a failure tells" not in report.as_markdown(run(measured(0.6, 2.0)), {})


@pytest.mark.parametrize("power", [0, 1, 2])
def test_a_slope_is_the_power_of_growth(power: int) -> None:
    points = [(10.0**x, 3 * 10.0 ** (x * power)) for x in range(6)]
    assert math.isclose(scale.slope(points), power, abs_tol=1e-9)


def test_a_plot_is_svg() -> None:
    drawn = plot("A & B", "x", "y", {"<one>": [(1, 2), (1000, 0.004)]})
    picture = ET.fromstring(drawn)  # noqa: S314 - our own
    texts = ["".join(each.itertext()) for each in picture.iter() if each.tag.endswith("text")]
    assert {"A & B", "<one>", "1k", "1m"} <= set(texts)
    assert sum(each.tag.endswith("circle") for each in picture.iter()) == 2


def test_the_curves_run(tmp_path: Path) -> None:
    """All but processes, which take seconds to start, and messages, which the rows above are."""
    reach = curves.Reach.tiny()
    for points in (curves.recipients(reach), curves.signers(reach), curves.stores(tmp_path, reach)):
        for line in points.values():
            assert len(line) == 2
            assert all(seconds > 0 for _, seconds in line)


def test_some_curves_are_measured_anew(tmp_path: Path) -> None:
    """The others stay as they were, on the page, too."""
    old = {
        "stores": {"look up": [[10, 1.0], [100, 1.0]]},
        "signers": {"sign": [[1, 9.0], [2, 9.0]]},
    }
    (tmp_path / "scaling.json").write_text(json.dumps(old))
    scale.scale(tmp_path, curves.Reach.tiny(), ["signers"])
    figures = json.loads((tmp_path / "scaling.json").read_text())
    assert figures["stores"] == old["stores"]
    assert set(figures["signers"]) == {"sign", "verify"}
    assert figures["signers"]["sign"] != old["signers"]["sign"]
    page = (tmp_path / "scaling.md").read_text()
    assert page.index("## Signers") < page.index("## Trust stores")
    assert {path.name for path in tmp_path.glob("*.svg")} == {
        "scaling-signers.svg",
        "scaling-stores.svg",
    }


def test_the_folder_for_the_pages_is_made_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "not" / "there"

    def measuring(options: argparse.Namespace) -> str:
        assert options.out == out
        assert out.is_dir()
        return report.as_json(run(measured(0.6, 2.0, 1)))

    monkeypatch.setattr(program, "_measured", measuring)
    for _ in range(2):  # and once more where it is there
        assert program.main(["--tiny", "--out", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == {"performance.json", "performance.md"}


def test_the_folder_for_the_plots_is_made_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "not" / "there"
    signers = curves.signers

    def measuring(reach: curves.Reach) -> curves.Points:
        assert out.is_dir()
        return signers(reach)

    monkeypatch.setattr(curves, "signers", measuring)
    arguments = ["--tiny", "--scale", "--curves", "signers", "--out", str(out)]
    assert program.main(arguments) == 0
    names = {"scaling.json", "scaling.md", "scaling-signers.svg"}
    assert {path.name for path in out.iterdir()} == names
