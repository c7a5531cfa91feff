"""The files of the working folder, and where in it the code works, kept alike across two rooms.

Both rooms list what is below the folder that they began in. A test that goes into another folder
takes the answers along. An answer that does so doesn't take the test along, which would read there
what the answer has put in the place of the lab's files; it is told where the answer is if it asks.
"""

import io
import os
import sys
import tempfile
from collections.abc import Set
from functools import wraps
from typing import Any

from autograder.cell_frames import is_own_space
from autograder.examiner_link import ExaminerLink
from autograder.lab_facts import is_to_change
from autograder.room_files import (
    Stamp,
    digest,
    home,
    is_inside,
    mark_files,
    stamp_files,
    where_in_home,
    write_files,
)
from autograder.wire_values import need

__all__ = ["Files"]

_WORDS = frozenset(
    {
        *("open", "Path", "pathlib", "os", "shutil", "glob", "tempfile", "savefig", "getcwd"),
        *("read_csv", "read_json", "read_parquet", "read_excel", "read_pickle", "to_csv"),
        *("to_json", "to_parquet", "load", "save", "savez", "loadtxt", "genfromtxt", "savetxt"),
        *("TemporaryDirectory", "NamedTemporaryFile", "read_text", "write_text", "exists"),
        *("listdir", "configparser", "tomllib", "zipfile", "tarfile", "memmap", "read_table"),
        *("ParquetFile", "ParquetDataset", "read_schema", "InferenceSession", "imread"),
        *("read_feather", "read_xml", "read_html", "scan_csv", "scan_parquet", "loadmat"),
        *("chdir",),
    }
)
_FILE_BYTES = 24 << 20
_LARGEST = 1 << 62
_LONGEST = 4_096
_TEMPORARY = ".temporary"
_OF_PATHS = "pathlib"


class Files:
    """Carries files, and the folder that code works in, around each question.

    Parameters
    ----------
    link : ExaminerLink
        Asks the student's room.

    Attributes
    ----------
    active : bool
        Whether the test cell speaks of files.
    to_change : str
        What the lab says of the files that it ships and asks to be changed.
    """

    def __init__(self, link: ExaminerLink) -> None:
        self._link = link
        self.active = False
        self.to_change = ""
        self._here: dict[str, Stamp] = {}
        self._there: dict[str, Any] = {}
        self._made: set[str] = set()
        """The folders that tests have made."""
        self._digest = ""
        self._shipped = stamp_files()
        self._moved = False
        self._folder = str(home())
        """Where the student's room works, as it says."""
        self._here_of, self._go = os.getcwd, os.chdir
        self._patch()

    def begin(self, words: Set[str]) -> None:
        """Start a test cell in which these names and attributes occur."""
        self.active = bool(words & _WORDS)

    def make_temporary(self) -> None:
        """Have both rooms make temporary files in the working folder, where both see them."""
        here = home()
        if self._link.ask("cwd", _TEMPORARY) == str(here):
            folder = here / _TEMPORARY
            folder.mkdir(exist_ok=True)
            tempfile.tempdir = str(folder)

    def known(self) -> dict[str, str]:
        """Give what an answer is to tell about, if it is otherwise there."""
        return {"files": self._digest, "folder": self._folder} if self.active else {}

    def carry(self) -> None:
        """Bring to the student's room what the test has written, and take it along."""
        now = stamp_files()
        news = [(name, stamp) for name, stamp in now.items() if self._here.get(name) != stamp]
        changed = [name for name, (size, _) in news if size >= 0]
        gone = [name for name in self._here if name not in now]
        if changed or gone:
            files = {}
            for name in changed:
                if name.endswith("/"):
                    files[name] = b""
                    self._made.add(name)
                    continue
                with io.open(home() / name, "rb") as file:  # noqa: UP020 - a test may replace `open`
                    data = file.read(_FILE_BYTES + 1)
                if len(data) <= _FILE_BYTES:
                    files[name] = data
            self._link.ask("write", files, gone)
            self._there = self._listing()
        self._here = now
        if self._moved:
            self._moved = False
            if (place := where_in_home()) is not None:
                self._link.ask("folder", place)
                self._folder = self._here_of()

    def fetch(self, seen: dict[str, Any] | None) -> None:
        """Bring here what answers have written."""
        if seen is None:
            self._folder = self._told(self._link.ask("folder"))
        elif "folder" in seen:
            self._folder = self._told(seen["folder"])
        if seen is None or "files" in seen:
            self._pull(seen)

    @staticmethod
    def _told(folder: Any) -> str:
        need(type(folder) is str and len(folder) <= _LONGEST, "a folder")
        return str(folder)

    def _pull(self, seen: dict[str, Any] | None) -> None:
        listing = self._listing(seen)
        changed = [name for name, stamp in listing.items() if self._there.get(name) != stamp]
        gone = [name for name in self._there if name not in listing and name in self._here]
        for name, (size, _) in self._shipped.items():
            if listing.get(name, (None,))[0] != size and not is_to_change(name, self.to_change):
                self._link.note(
                    f"{name[:80]} isn't as the lab ships it in the student's room; the test sees "
                    "it as shipped. Tag the test cell 'student-room' if students are to change it."
                )
        changed, gone = self._unshipped(changed), self._unshipped(gone)
        if changed:
            regular = [name for name in changed if listing[name][0] >= 0]
            files = self._link.ask("read", regular)
            need(type(files) is dict and set(files) <= set(changed), "files")
            need(all(type(data) is bytes for data in files.values()), "files")
            write_files(files)
            self._mark([(name, listing[name][0]) for name in changed if name not in files])
        write_files({}, gone)
        self._there = listing
        self._here = stamp_files()

    def _mark(self, missing: list[tuple[str, Any]]) -> None:
        """Let the test see that something is there which isn't brought over."""
        for name, size in missing:
            need(type(size) is int and size < _LARGEST, "the size of a file")
            why = "is larger than what is brought over" if size >= 0 else "is no regular file"
            self._link.note(f"{name[:80]!r} of the student's room {why}: the test can't read it")
        mark_files(missing)

    def _unshipped(self, names: list[str]) -> list[str]:
        """Leave out files that the lab ships and that nobody is asked to change."""
        return [n for n in names if n not in self._shipped or is_to_change(n, self.to_change)]

    def _listing(self, seen: dict[str, Any] | None = None) -> dict[str, Any]:
        if seen is None:
            listing = self._link.ask("files")
        else:
            told = seen["files"]
            need(type(told) is list and all(type(s) is list for s in told), "a list of files")
            need(all(len(s) == 3 and type(s[0]) is str for s in told), "a list of files")
            self._digest = digest(told)
            listing = {name: (size, changed) for name, size, changed in told}
        need(type(listing) is dict and len(listing) <= 5_000, "a list of files")
        need(all(type(s) is tuple and len(s) == 2 for s in listing.values()), "a list of files")
        return {name: stamp for name, stamp in listing.items() if is_inside(name)}

    def _patch(self) -> None:
        """Note where the test goes, and tell it where the answers are."""
        getcwd, chdir = self._here_of, self._go

        @wraps(getcwd)
        def asked() -> str:
            return self._working_folder(is_tests=is_own_space(_who_asks(sys._getframe(1))))

        @wraps(chdir)
        def gone(path: Any) -> None:
            chdir(path)
            self._moved = True

        setattr(os, "getcwd", asked)  # noqa: B010 - its stub says it can't be set
        setattr(os, "chdir", gone)  # noqa: B010

    def _working_folder(self, *, is_tests: bool) -> str:
        """Give the folder that code works in: the answers', if it is one that the test has made."""
        here = self._here_of()
        if not self.active or not is_tests or self._moved or self._folder == here:
            return here
        self._link.note(
            f"the answers' working folder is {self._folder[:200]!r}; what the test itself opens by "
            f"a relative name is in {here!r}. Hand whole paths over, or tag the cell "
            "'student-room'."
        )
        inside = self._folder.removeprefix(f"{home()}{os.sep}")
        if f"{inside}/" not in self._made:
            return here
        self._link.claim("the working folder")
        return self._folder


def _who_asks(frame: Any) -> Any:
    """Give the globals of the code that asks for the working folder, by ``Path.cwd()`` too."""
    first, asked = frame.f_globals, False
    while str(frame.f_globals.get("__name__")).startswith(_OF_PATHS):
        asked = asked or frame.f_code.co_name == "cwd"
        frame = frame.f_back
    return frame.f_globals if asked else first
