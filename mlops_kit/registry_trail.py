"""An append-only trail of who did what to a model, when and why; each entry seals the one before.

The trail of a registered model lies beside it in the registry, so that it goes where the model
goes. An entry holds the hash of the entry before: to change or remove one, all later ones would
have to be made anew, and anybody who kept the last hash would see that.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

__all__ = [
    "ABANDONED",
    "DONE",
    "Entry",
    "PREFIX",
    "champion_at",
    "champions",
    "pending",
    "problems",
    "read",
    "seal",
]

PREFIX = "mlops_kit.trail."
"""What the registry's tags that hold the trail begin with."""

# An intention, what it is called once it was carried out, and once it was given up.
DONE = {"promoting": "promoted", "rolling back": "rolled back"}
ABANDONED = "abandoned"
_UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the trail.

    Attributes
    ----------
    number : int
        Its place, from 1.
    when : str
        UTC, ISO 8601, to the millisecond.
    who, what, why : str
        The person or machine, the action, and the reason given.
    version : int
        The model's version that it is about; 0 if it is about none.
    details : mapping of str to str
        What belongs to the action: hashes, the gate's report, what was skipped.
    previous, hash : str
        The hash of the entry before ("" for the first), and its own.
    """

    number: int
    when: str
    who: str
    what: str
    version: int
    why: str
    details: Mapping[str, str] = field(default_factory=dict)
    previous: str = ""
    hash: str = ""

    @property
    def key(self) -> str:
        """The name of the tag that holds it; two entries never share one."""
        return f"{PREFIX}{self.number:06d}.{self.hash[:12]}"

    def to_json(self) -> str:
        """Write it as JSON, keys in order."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)


def seal(
    entries: Sequence[Entry],
    *,
    who: str,
    what: str,
    version: int,
    why: str,
    details: Mapping[str, str] | None = None,
    when: datetime | None = None,
) -> Entry:
    """Make the entry that follows these, with its hash.

    Examples
    --------
    >>> first = seal([], who="ana", what="registered", version=1, why="the first model")
    >>> second = seal([first], who="ana", what="promoting", version=1, why="passed the gate")
    >>> second.number, second.previous == first.hash
    (2, True)
    """
    moment = (when or datetime.now(UTC)).astimezone(UTC)
    last = entries[-1] if entries else None
    bare = Entry(
        number=last.number + 1 if last else 1,
        when=moment.replace(tzinfo=None).isoformat(timespec="milliseconds"),
        who=who,
        what=what,
        version=version,
        why=why,
        details=dict(details or {}),
        previous=last.hash if last else "",
    )
    return _with_hash(bare)


def _with_hash(entry: Entry) -> Entry:
    parts = asdict(entry)
    parts["hash"] = ""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    parts["hash"] = hashlib.sha256(text.encode()).hexdigest()
    return Entry(**parts)


def read(tags: Mapping[str, str]) -> tuple[Entry, ...]:
    """Read the trail from a registered model's tags, in order; what can't be read stays visible."""
    found = [_entry(key, text) for key, text in tags.items() if key.startswith(PREFIX)]
    return tuple(sorted(found, key=lambda entry: (entry.number, entry.hash)))


def _entry(key: str, text: str) -> Entry:
    try:
        parts = json.loads(text)
        entry = Entry(**parts)
        if type(entry.number) is int and type(entry.version) is int:
            return entry
    except (TypeError, ValueError):
        pass
    number = key.removeprefix(PREFIX).split(".")[0]
    place = int(number) if number.isdecimal() else 0
    return Entry(place, "", "", _UNREADABLE, 0, "", {"key": key})


def problems(entries: Sequence[Entry], *, anchor: str | None = None) -> tuple[str, ...]:
    """Say what is wrong with a trail; nothing, if every entry is as it was written.

    Parameters
    ----------
    entries : sequence of Entry
        The whole trail.
    anchor : str, optional
        The hash of an entry that somebody kept elsewhere. Without one, an end that was cut off
        can't be told from an end.
    """
    found = []
    for number, count in sorted(Counter(entry.number for entry in entries).items()):
        if count > 1:
            found.append(f"{count} entries have the number {number}: written at the same time")
    previous = {""}
    wanted = 1
    for number in sorted({entry.number for entry in entries}):
        level = [entry for entry in entries if entry.number == number]
        if number != wanted:
            gone = f"entry {wanted} is" if number == wanted + 1 else f"{wanted}-{number - 1} are"
            found.append(f"{gone} missing" if "entry" in gone else f"entries {gone} missing")
        for entry in level:
            if entry.what == _UNREADABLE:
                found.append(f"entry {number} can't be read")
            elif _with_hash(entry).hash != entry.hash:
                found.append(f"entry {number} ({entry.what}) was changed after it was written")
            elif number == wanted and entry.previous not in previous:
                found.append(f"entry {number} ({entry.what}) doesn't follow the entry before it")
        previous, wanted = {entry.hash for entry in level}, number + 1
    if anchor is not None and anchor not in {entry.hash for entry in entries}:
        found.append(f"the entry {anchor[:12]} that was kept elsewhere isn't there any more")
    return tuple(found)


def champions(entries: Iterable[Entry]) -> list[int]:
    """List the versions that were champion and weren't rolled back, the present one last."""
    stack: list[int] = []
    for entry in entries:
        if entry.what == "promoted":
            stack.append(entry.version)
        elif entry.what == "rolled back":
            while stack and stack[-1] != entry.version:
                stack.pop()
            if not stack:
                stack.append(entry.version)
    return stack


def champion_at(entries: Iterable[Entry], when: datetime) -> int | None:
    """Say which version the trail had as champion at a moment; None if there was none yet."""
    naive = when.astimezone(UTC).replace(tzinfo=None) if when.tzinfo else when
    moment = naive.isoformat(timespec="milliseconds")
    version = None
    for entry in entries:
        if entry.what in DONE.values() and entry.when <= moment:
            version = entry.version
    return version


def pending(entries: Sequence[Entry]) -> Entry | None:
    """Give the intention that was written and neither carried out nor given up, if any."""
    for entry in reversed(entries):
        if entry.what in DONE:
            return entry
        if entry.what == ABANDONED or entry.what in DONE.values():
            return None
    return None
