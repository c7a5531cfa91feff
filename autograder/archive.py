"""Zips, from and to strangers: fetched with a limit, unpacked into one folder, packed the same."""

import http.client
import stat
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path, PurePosixPath

from autograder.errors import LabError

__all__ = ["download", "extract", "zip_bytes"]

MAX_DOWNLOAD = 200_000_000
MAX_UNPACKED = 500_000_000
MAX_ENTRIES = 5_000
PATIENCE = 30.0
_PIECE = 1 << 20


def download(address: str, target: Path) -> None:
    """Fetch an http(s) address into the file ``target``.

    Raises
    ------
    LabError
        If it can't be reached, or is larger than 200 MB.
    """
    try:
        request = urllib.request.Request(address, headers={"User-Agent": "autograder"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply, target.open("wb") as file:  # noqa: S310
            if not reply.url.startswith(("http://", "https://")):
                raise LabError(f"{address} leads to {reply.url}, which isn't an http(s) address.")
            size = 0
            while piece := reply.read(_PIECE):
                size += len(piece)
                if size > MAX_DOWNLOAD:
                    raise LabError(f"{address} is larger than {MAX_DOWNLOAD // 1_000_000} MB.")
                file.write(piece)
    except LabError:
        raise
    except urllib.error.HTTPError as error:
        raise LabError(
            f"{address} answered {error.code} ({error.reason}). Check the address."
        ) from None
    except (
        *(urllib.error.URLError, TimeoutError, ConnectionError, ValueError),
        http.client.HTTPException,
    ) as error:
        reason = getattr(error, "reason", "") or str(error) or type(error).__name__
        raise LabError(
            f"{address} can't be reached ({reason}). Check the address and the network, or fetch "
            "the zip another way and name the file with --from."
        ) from None


def extract(archive: Path, folder: Path) -> Path:
    """Unpack a zip into the new ``folder``, and return it.

    Raises
    ------
    LabError
        If it isn't a zip, is damaged or too large, or an entry would land elsewhere or is a link.
    """
    try:
        with zipfile.ZipFile(archive) as source:
            entries = source.infolist()
            if len(entries) > MAX_ENTRIES:
                raise LabError(f"{archive.name} has {len(entries):,} files, too many for a lab.")
            for entry in entries:
                _check_entry(archive, entry)
            folder.mkdir(parents=True)
            left = MAX_UNPACKED
            for entry in entries:
                left -= _extract_entry(source, entry, folder, left)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError) as error:
        raise LabError(
            f"{archive.name} isn't a usable zip ({error}). Download it again, or name another "
            "with --from."
        ) from None
    except (NotImplementedError, RuntimeError) as error:
        raise LabError(f"{archive.name} can't be unpacked: {error}.") from None
    return folder


def _check_entry(archive: Path, entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    path = PurePosixPath(name)
    outside = path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name
    if outside or not name or "\x00" in name:
        raise LabError(f"{archive.name} holds {name!r}, which lies outside its folder; refused.")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise LabError(f"{archive.name} holds {name!r}, which is a link or device; refused.")


def _extract_entry(source: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, left: int) -> int:
    target = folder / entry.filename
    if entry.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with source.open(entry) as packed, target.open("xb") as file:
        # The sizes in a zip's directory are claims; what comes out is counted.
        while piece := packed.read(_PIECE):
            size += len(piece)
            if size > left:
                raise LabError(
                    f"a zip unpacks to more than {MAX_UNPACKED // 1_000_000} MB; refused."
                )
            file.write(piece)
    return size


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """Pack files into a zip: the same files give the same bytes."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, data)
    return buffer.getvalue()
