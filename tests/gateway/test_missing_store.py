"""A gateway whose store was lost does not begin a new one, where its file says that there is one."""

from pathlib import Path

import pytest

from smimekit.errors import StoreError
from smimekit.gateway.program.assembly import opened_gateway
from smimekit.gateway.program.config import read_config

CONFIG = """[gateway]
administrator = "admin@example.org"
[next_hop]
address = "127.0.0.1:1"
[store]
url = "{url}"
{more}
[workers]
spool = "spool"
"""


@pytest.fixture(params=["sqlite:///", "dir:"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    (tmp_path / "disk").mkdir()
    return f"{request.param}{tmp_path}/disk/trust"


def start(tmp_path: Path, url: str, more: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(CONFIG.format(url=url, more=more))
    with opened_gateway(read_config(file)):
        pass


def test_a_store_that_must_exist_is_not_made(tmp_path: Path, url: str) -> None:
    with pytest.raises(StoreError) as caught:
        start(tmp_path, url, "must_exist = true")
    assert caught.value.code == "store.missing"
    assert list((tmp_path / "disk").iterdir()) == []


def test_the_folder_that_a_disk_is_mounted_on_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with pytest.raises(StoreError) as caught:
        start(tmp_path, f"dir:{tmp_path}/disk", "must_exist = true")
    assert caught.value.code == "store.missing"


def test_the_first_time_it_is_made(tmp_path: Path, url: str) -> None:
    start(tmp_path, url, "")
    start(tmp_path, url, "must_exist = true")
    start(tmp_path, url, "must_exist = false")


def test_what_has_no_file_is_always_there(tmp_path: Path) -> None:
    start(tmp_path, "memory:", "must_exist = true")
