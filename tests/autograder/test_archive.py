"""Zips from strangers: unpacked inside one folder, or refused."""

import stat
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from autograder import archive
from autograder.archive import download, extract, zip_bytes
from autograder.errors import LabError


def make(path: Path, *entries: tuple[str | zipfile.ZipInfo, str]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, text in entries:
            file.writestr(name, text)
    return path


def test_packing_and_unpacking_give_the_same_files(tmp_path: Path) -> None:
    """The same files give the same bytes, in whatever order they come."""
    data = zip_bytes({"b/y": b"2", "a": "é".encode()})
    assert data == zip_bytes({"a": "é".encode(), "b/y": b"2"})
    (tmp_path / "z.zip").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "z.zip") as packed:
        assert {entry.date_time for entry in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    folder = extract(tmp_path / "z.zip", tmp_path / "out")
    assert (folder / "a").read_text("utf-8") == "é"
    assert (folder / "b" / "y").read_bytes() == b"2"


LINK = zipfile.ZipInfo("link")
LINK.create_system = 3
LINK.external_attr = (stat.S_IFLNK | 0o777) << 16


@pytest.mark.parametrize(
    "name", ["../evil", "/evil", "a/../../evil", "C:evil", "a\\..\\evil", LINK], ids=str
)
def test_entries_that_leave_the_folder_are_refused(
    tmp_path: Path, name: str | zipfile.ZipInfo
) -> None:
    """Nothing at all is unpacked from such a zip."""
    bad = make(tmp_path / "z.zip", ("good", "x"), (name, "/etc/passwd"))
    with pytest.raises(LabError, match="refused"):
        extract(bad, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "evil").exists()


def test_a_zip_that_swells_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes out is counted, whatever the zip claims."""
    monkeypatch.setattr(archive, "MAX_UNPACKED", 1000)
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a", b"0" * 900)
        file.writestr("b", b"0" * 900)
    with pytest.raises(LabError, match="unpacks to more"):
        extract(tmp_path / "z.zip", tmp_path / "out")


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million empty files fill a disk too."""
    monkeypatch.setattr(archive, "MAX_ENTRIES", 1)
    with pytest.raises(LabError, match="2 files"):
        extract(make(tmp_path / "z.zip", ("a", ""), ("b", "")), tmp_path / "out")


@pytest.mark.parametrize("damage", ["text", "cut", "flipped"])
def test_a_damaged_zip_is_refused(tmp_path: Path, damage: str) -> None:
    """A download that broke off, or something else entirely."""
    data = bytearray(zip_bytes({"a": b"x" * 1000}))
    if damage == "flipped":
        data[35] ^= 0xFF
    raw = {"text": b"<html>", "cut": bytes(data[:-30]), "flipped": bytes(data)}[damage]
    (tmp_path / "z.zip").write_bytes(raw)
    with pytest.raises(LabError, match=r"z\.zip (isn't a usable zip|can't be unpacked)"):
        extract(tmp_path / "z.zip", tmp_path / "out")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "web").mkdir()
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "web"))
    ) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_an_address_is_fetched(address: str, tmp_path: Path) -> None:
    """What the server gives is what the file holds."""
    (tmp_path / "web" / "a.zip").write_bytes(b"12345")
    download(f"{address}/a.zip", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == b"12345"


def test_an_address_that_gives_too_much_is_given_up(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit holds for what arrives."""
    monkeypatch.setattr(archive, "MAX_DOWNLOAD", 4)
    (tmp_path / "web" / "a.zip").write_bytes(b"12345")
    with pytest.raises(LabError, match="larger than"):
        download(f"{address}/a.zip", tmp_path / "got")


@pytest.mark.parametrize(
    ("path", "said"), [("/none.zip", "answered 404"), (":1/x", "can't be reached")]
)
def test_an_address_that_leads_nowhere_is_said(
    address: str, tmp_path: Path, path: str, said: str
) -> None:
    """The answer of the server, or that there was none."""
    full = address + path if path.startswith("/") else f"http://127.0.0.1{path}"
    with pytest.raises(LabError, match=said):
        download(full, tmp_path / "got")
