"""Stores that several processes use, and that lose one of them in the middle of its work."""

from pathlib import Path

import pytest

from tests.trust import certs, processes

KINDS = ("sqlite:///{}/trust.db", "dir:{}/store")
MESSAGES = 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return processes.write_messages(tmp_path_factory.mktemp("mail") / "messages", MESSAGES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_process_loses_nothing_and_leaves_nothing_half(
    kind: str, tmp_path: Path, folder: Path
) -> None:
    """SIGKILL in a loop, while it harvests and decides, each time on the same store."""
    url, start = kind.format(tmp_path), 0
    for seed in range(8):
        heard = processes.kill_in_the_middle(url, folder, start, seed)
        start = processes.check_after_kill(url, folder, heard, start + 50)
    assert start > 8


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_that_decide_at_once_one_wins(kind: str, tmp_path: Path) -> None:
    processes.check_contention(kind.format(tmp_path), certs.person("a@example.com").certificate)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kept_judgement_ends_when_another_process_decides(kind: str, tmp_path: Path) -> None:
    processes.check_followers(kind.format(tmp_path), certs.person("a@example.com").certificate)


@pytest.mark.parametrize("kind", KINDS)
def test_a_crowd_loses_nothing(kind: str, tmp_path: Path) -> None:
    mail = processes.write_messages(tmp_path / "messages", 10)
    processes.check_crowd(kind.format(tmp_path), mail, 10)
