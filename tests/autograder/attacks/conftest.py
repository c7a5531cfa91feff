"""A class in which somebody cheats: graded for real, in the strongest rooms that stand here."""

import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autograder import linux
from autograder.course import Course
from autograder.feedback import feedback_page
from autograder.notebook import notebook_bytes
from autograder.records import load_record, save_record
from autograder.release import build_course
from autograder.rooms import RoomsEngine
from autograder.teacher import Teacher, open_lab
from autograder.verdict import Graded, Job, grade_job, recorded
from autograder.zygote import WarmProcess

META = '"schema_version": 3, "task": false'
HEAD = (
    f'# %%%% nbgrader={{{META}, "grade_id": "%s", "grade": %s, "solution": %s, "locked": %s%s}}\n'
)
GIVEN = "import json\nimport numpy as np\n\n\ndef close(a, b):\n    return abs(a - b) < 1e-9\n"
RIGHT = "def solve(x):\n    return x * x\n"
RIGHT_LATER = "def half(x):\n    return x // 2\n"
WRONG = "def solve(x):\n    return 4\n"
CANARY = "canary of the hidden test"
HIDDEN = f"assert solve(1234) == 1522756, '{CANARY}'"
HIDDEN_LATER = f"assert half(8644) == 4322, '{CANARY}'"
# How an answer gets hold of the sockets of the room that it runs in.
THE_ROOM = """\
import gc
rooms = (value for value in gc.get_objects() if type(value).__name__ == "_Room")
room = next(value for value in rooms if hasattr(value, "questions"))
questions, orders = room.questions, room.orders
"""
# What nobody can know who hasn't read a hidden test.
SECRETS = (CANARY, "1522756", "solve(1234)", "half(8644)", "4322")
ENVIRONMENT_SECRET = "secret of the graders environment"
# How many attackers are graded beside one honest student.
ROUND = 6
HONEST, FAILING = "b_honest", "c_wrong"
_READ = 100_000
LIMITS = """\
cell_seconds = 0.6
total_seconds = 3
memory_mb = 256
output_kb = 64
processes = 48
"""


def lab_text(
    *, hidden: str, visible: str, right: str, given: str, between: str, later_test: str
) -> str:
    """Write a lab with two questions; the second one's cells run after the first one's tests."""

    def cell(name: str, text: str, *, kind: str) -> str:
        test, answer = kind == "test", kind == "answer"
        flags = [json.dumps(flag) for flag in (test, answer, not answer)]
        return HEAD % (name, *flags, ', "points": 2' if test else "") + text + "\n"

    def answer(text: str) -> str:
        return f"### BEGIN SOLUTION\n{text}\n### END SOLUTION"

    def test(shown: str, unseen: str) -> str:
        return (
            f"{shown}\n### BEGIN HIDDEN TESTS\n### HINT Try larger numbers.\n{unseen}\n"
            "### END HIDDEN TESTS"
        )

    return "\n".join(
        (
            cell("given", given, kind="given"),
            cell("q1", answer(right), kind="answer"),
            cell("q1_test", test(visible, hidden), kind="test"),
            *([cell("given2", between, kind="given")] if between else []),
            cell("q2", answer(RIGHT_LATER), kind="answer"),
            cell("q2_test", test("assert half(4) == 2", later_test), kind="test"),
        )
    )


@dataclass(frozen=True)
class Attempt:
    """What an attacker tries: a case, and the file handed in where it isn't the case's answers."""

    case: Mapping[str, str]
    data: bytes | None = None


@dataclass(frozen=True)
class Verdict:
    """What came of one submission."""

    graded: Graded
    page: str
    record: str

    @property
    def score(self) -> float:
        return self.graded.result.score


class Listener:
    """What the attacker listens on, outside: it must never hear anything."""

    def __init__(self) -> None:
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.tcp.getsockname()[1])
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.abstract = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.abstract.bind(f"\0attack-{self.port}")
        self.abstract.listen()
        for sock in (self.tcp, self.udp, self.abstract):
            sock.setblocking(False)

    def heard(self) -> list[str]:
        found = []
        for sock in (self.tcp, self.abstract):
            with suppress(BlockingIOError):
                sock.accept()[0].close()
                found.append(str(sock))
        with suppress(BlockingIOError):
            found.append(str(self.udp.recv(65536)))
        return found

    def close(self) -> None:
        for sock in (self.tcp, self.udp, self.abstract):
            sock.close()


class Arena:
    """A course of which somebody wants more than they deserve.

    Those who are graded together run in one warm process, as a class does. The course's folder
    holds what others would love to change: their work, their marks, the teacher's notebook.
    """

    def __init__(
        self,
        warm_for: Callable[[str], WarmProcess],
        borrowed: Callable[[WarmProcess], Any],
        folder: Path,
        listener: Listener,
    ) -> None:
        self._warm_for, self._borrowed = warm_for, borrowed
        self._warm: list[WarmProcess] = []
        self.folder = folder
        self.listener = listener
        self.outside = folder / "outside"
        self._engines: dict[tuple[int, int], RoomsEngine] = {}
        self._teachers: dict[tuple[str, ...], Teacher] = {}
        self._places: dict[int, Path] = {}
        self._left: dict[Path, dict[str, str]] = {}
        self._read: dict[tuple[str | int, ...], str] = {}
        self._known = ""

    def teacher(self, case: Mapping[str, str]) -> Teacher:
        """Build the lab of a case, and its course; the usual one where the case has none."""
        hidden = case.get("test", HIDDEN)
        visible = case.get("visible", "assert True" if "test" in case else "assert solve(2) == 4")
        right, given = case.get("right", RIGHT), GIVEN + case.get("given", "")
        files = case.get("file", "")
        between, later_test = case.get("between", ""), case.get("later_test", HIDDEN_LATER)
        key = (hidden, visible, right, given, files, between, later_test)
        if key not in self._teachers:
            place = self.folder / f"course{len(self._teachers)}"
            lab = place / "labs" / "01_square"
            lab.mkdir(parents=True)
            text = lab_text(
                hidden=hidden,
                visible=visible,
                right=right,
                given=given,
                between=between,
                later_test=later_test,
            )
            (lab / "lab.py").write_text(text, "utf-8")
            settings = 'title = "Squares"\nchapter = "01-squares"\nminutes = 5\npoints = 4\n'
            limits = "".join(case.get(line.split()[0], line) + "\n" for line in LIMITS.splitlines())
            (lab / "lab.toml").write_text(f"{settings}[limits]\n{limits}", "utf-8")
            if files:
                name, _, text = files.partition("\n")
                (lab / "files").mkdir()
                (lab / "files" / name).write_text(f"{text}\n", "utf-8")
            build_course(lab.parent, place)
            for student in (HONEST, FAILING):
                work = place / "submitted" / student / "01_square" / "01_square.ipynb"
                work.parent.mkdir(parents=True)
                work.write_text(f"the work of {student}", "utf-8")
            (place / "gradebook.db").write_bytes(b"everybody's marks")
            teacher = self._teachers[key] = open_lab(Course.open(place), "01_square")
            self._places[id(teacher)] = place
        return self._teachers[key]

    def hand_in(self, teacher: Teacher, answers: Mapping[str, str]) -> bytes:
        """Make a submission of the answers given; a question without one is left blank."""
        from autograder.release import release_notebook

        notebook = release_notebook(teacher.source)
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name in answers:
                cell["source"] = answers[name]
        return notebook_bytes(notebook)

    def warm(self, teacher: Teacher, *files: bytes) -> WarmProcess:
        """Give the warm process for those who hand in these files, with nothing left to begin."""
        cells = [cell.source for cell in teacher.source.cells]
        shown = [data[:_READ].decode("utf-8", "replace") for data in files]
        warm = self._warm_for("\n".join(cells + shown))
        if warm not in self._warm:
            self._warm.append(warm)
            # What is made at the first use isn't left behind by an attack.
            self.grade(warm, teacher, "first", self.hand_in(teacher, {}))
        return warm

    def file_of(self, teacher: Teacher, attempt: Attempt) -> bytes:
        """Give the file that an attacker hands in."""
        if attempt.data is not None:
            return attempt.data
        answers = {"q1": attempt.case["attack"], "q2": attempt.case.get("later", "pass")}
        rendered = {name: self.render(text) for name, text in answers.items()}
        return self.hand_in(teacher, rendered)

    def engine(self, warm: WarmProcess, teacher: Teacher) -> RoomsEngine:
        """Give the engine for a lab, on a warm process."""
        return self._engines.setdefault(
            (id(warm), id(teacher)),
            RoomsEngine(
                lambda *_: self._borrowed(warm),
                reference=teacher.source,
                isolation=self._warm_for.level,
            ),
        )

    @contextmanager
    def unharmed(self, teacher: Teacher, *files: bytes) -> Iterator[WarmProcess]:
        """Give the warm process for a class; once its work is graded, all is as it was before.

        What was forked for the lab is there from the first, and ends with the class.
        """
        warm = self.warm(teacher, *files)
        engine = self.engine(warm, teacher)
        engine._warm(teacher.files, teacher.limits)
        place = self._places[id(teacher)]
        before = self.quiet(place)
        yield warm
        assert self.settled(before, place) == before
        self._left[place] = before["files"]
        self._engines.pop((id(warm), id(teacher))).close()

    def grade(self, warm: WarmProcess, teacher: Teacher, student: str, data: bytes) -> Verdict:
        """Grade one submission, and make all that is kept of it and shown to its author."""
        engine = self.engine(warm, teacher)
        key = hashlib.sha256(student.encode() + data).hexdigest()
        graded = grade_job(teacher, Job(student, key, data), engine)
        record = recorded(teacher, key, engine, graded)
        folder = self.folder / "records"
        folder.mkdir(exist_ok=True)
        save_record(folder, record)
        kept = load_record(folder, key)
        assert kept is not None, "a record that can't be read again"
        page = feedback_page(teacher, kept, title="Squares", titles={}, by_hand={})
        page.encode("utf-8")
        return Verdict(graded, page, (folder / f"{key}.json").read_text("utf-8"))

    def render(self, text: str) -> str:
        """Fill in what attacks have in common: where to carry what was stolen, and the sockets."""
        text = text.replace("THE_ROOM", THE_ROOM).replace("OUTSIDE", str(self.outside))
        text = text.replace("A_LONG_SUM", " + ".join("1" * 2500))
        text = text.replace("LINE_ENDS", "\u2028" * 5)
        return text.replace("PORT", str(self.listener.port))

    def state(self, place: Path) -> dict[str, Any]:
        """Give what no submission may change: files, and what the machine holds for us."""
        return {
            "files": self._files(place),
            "shared memory": [str(path) for path in Path("/dev/shm").glob("attack*")],
            "descriptors": len(list(Path("/proc/self/fd").iterdir())),
            "rooms": self._rooms(),
            "rooms' files": sorted(
                path.name for warm in self._warm for path in warm._folder.path.rglob("*")
            ),
            "heard": self.listener.heard(),
        }

    def harmed(self) -> list[Path]:
        """Give the courses that aren't as the last class of each left them."""
        return [place for place, files in self._left.items() if self._files(place) != files]

    def _files(self, place: Path) -> dict[str, str]:
        """Give what each file holds, read anew where the system says that it was touched.

        Of the courses, this is about that one; the others are looked at when all is over.
        """
        found = {}
        others = {other.name for other in self._places.values()} - {place.name}
        for folder, folders, files in os.walk(self.folder):
            folders[:] = [name for name in folders if name != "records" and name not in others]
            for path in (os.path.join(folder, name) for name in files):  # noqa: PTH118 - thousands
                with suppress(FileNotFoundError):
                    seen = os.stat(path)  # noqa: PTH116
                    key = (path, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
                    if key not in self._read:
                        self._read[key] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
                    found[path] = self._read[key]
        return found

    def _rooms(self) -> list[int]:
        forking = {each.pid for warm in self._warm for each in (warm, *warm.branches)}
        return [child for pid in forking for child in linux.children(pid) if child not in forking]

    def quiet(self, place: Path) -> dict[str, Any]:
        """Give the state once no room is left of what went before."""
        for _ in range(3000):
            if not self._rooms():
                break
            time.sleep(0.02)
        return self.state(place)

    def settled(self, before: dict[str, Any], place: Path) -> dict[str, Any]:
        """Give the state once what is ending has ended; what never does is in it."""
        now = self.state(place)
        for _ in range(1200):
            if now == before:
                break
            time.sleep(0.05)
            later = self.state(place)
            now = {**later, "heard": [*now["heard"], *later["heard"]]}
        return now


@pytest.fixture(scope="session")
def arena(
    warm_for: Any, borrowed: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Arena]:
    """The course, its attackers' listener, and the engine."""
    with closing(Listener()) as listener:
        arena = Arena(warm_for, borrowed, tmp_path_factory.mktemp("arena"), listener)
        yield arena
        assert arena.harmed() == []


@pytest.fixture(scope="session")
def graded_together(arena: Arena) -> Callable[..., dict[str, Verdict]]:
    """Grade attackers of one lab beside an honest student and one who is wrong; check all."""

    def go(
        attempts: Mapping[str, Attempt], case: Mapping[str, str] | None = None
    ) -> dict[str, Verdict]:
        case = case or next(iter(attempts.values())).case
        teacher = arena.teacher(case)
        assert {id(arena.teacher(attempt.case)) for attempt in attempts.values()} <= {id(teacher)}
        right = {"q1": case.get("right", RIGHT), "q2": RIGHT_LATER}
        honest = arena.hand_in(teacher, right)
        wrong = arena.hand_in(teacher, {"q1": case.get("wrong", WRONG)})
        files = {name: arena.file_of(teacher, attempt) for name, attempt in attempts.items()}
        # The honest student is graded at the side of attackers, the other one after them.
        attackers = list(files.items())
        plan = [*attackers[:1], (HONEST, honest), *attackers[1:], (FAILING, wrong)]
        with arena.unharmed(teacher, *files.values(), honest, wrong) as warm:
            with ThreadPoolExecutor(2) as pool:
                graded = pool.map(lambda one: (one[0], arena.grade(warm, teacher, *one)), plan)
                verdicts = dict(graded)
            assert verdicts[HONEST].score == 4.0, [r.message for r in verdicts[HONEST].graded.runs]
            assert verdicts[FAILING].score == 0.0
            for name, attempt in attempts.items():
                assert verdicts[name].score == float(attempt.case.get("deserves", 0)), name
            for name in (*attempts, FAILING):
                check_shape(verdicts[name], teacher)
                check_secrets(verdicts[name])
        return verdicts

    return go


@pytest.fixture(scope="session")
def attack(graded_together: Any) -> Any:
    """Grade an attacker, alone or in a round with others who attack the same lab.

    A round in which anything is wrong proves nothing: each of its attackers is then graded
    without the others, and the one whose attack it was fails.
    """
    found: dict[tuple[str, ...], dict[str, Verdict]] = {}

    def go(name: str, make: Callable[[str], Attempt], among: Sequence[str] = ()) -> Verdict:
        place = among.index(name) // ROUND * ROUND if name in among else 0
        together = tuple(among[place : place + ROUND])
        if name in together and together not in found:
            try:
                found[together] = graded_together({one: make(one) for one in together})
            except AssertionError:
                found[together] = {}
        verdict = found.get(together, {}).get(name)
        return verdict or graded_together({name: make(name)})[name]

    return go


@pytest.fixture(scope="session")
def attempt() -> type[Attempt]:
    """What an attacker tries, to be made by tests."""
    return Attempt


def check_shape(attacker: Verdict, teacher: Teacher) -> None:
    """Points and questions are the teacher's, and each missing point has a reason."""
    result = attacker.graded.result
    assert result.max_score == 4.0
    assert [cell.grade_id for cell in result.cells] == ["q1_test", "q2_test"]
    assert [cell.points for cell in result.cells] == [2.0, 2.0]
    assert all(cell.reason for cell in result.cells if (cell.score or 0.0) < cell.points)
    assert not result.problems or all(result.problems)


def check_secrets(attacker: Verdict) -> None:
    """Nothing of a hidden test is in what the student gets to see."""
    shown = [attacker.page, attacker.graded.result.model_dump_json()]
    for cell in attacker.graded.notebook.cells if attacker.graded.notebook else ():
        if cell.metadata.get("nbgrader", {}).get("solution"):
            shown.append(json.dumps(cell.get("outputs", [])))
    for text in shown:
        for secret in (*SECRETS, ENVIRONMENT_SECRET):
            assert secret not in text
    assert ENVIRONMENT_SECRET not in attacker.record
