"""What an answer of the student's room brings: a value or an error, and all that went with it.

Output, warnings and log records; what was changed in place in what the test handed over; which
containers both rooms have. Anything may have been made up, and is checked before it counts.
"""

import re
from collections.abc import Callable, Set
from typing import Any

from autograder.examiner_codec import LinkDecoder, replay
from autograder.examiner_errors import build_error, note_rise, without_steering
from autograder.examiner_objects import RoomObjects
from autograder.examiner_sent import Sent
from autograder.examiner_warnings import warn_again
from autograder.handles import WAYS_OUT, HandleError
from autograder.wire import Bounds, Frame, WireError
from autograder.wire_changes import ChangeError, apply_change, change_copies
from autograder.wire_models import is_model
from autograder.wire_tables import TableMemory
from autograder.wire_values import Decoder, Json, need

__all__ = ["Answers"]

_MISSING = re.compile(r"name '(\w+)' is not defined")
_NAMING = frozenset({"ancestry", "mro"})
_STEPPING = frozenset({"next", "anext", "resume"})
_LOST = (
    "a list or table that the student's code had kept has become too large to be looked at with "
    "every question: what that code does to it from then on isn't seen."
)
_CHANGED = "the student's code changed an argument in place"
_FIXED = (
    "the student's code changed in place what an object of the test's gave it, which the lab "
    "doesn't ask for. Tag the test cell 'student-room' to let answers change it: it then runs "
    "beside the student's code."
)


class Answers:
    """Takes in answers.

    Parameters
    ----------
    objects : RoomObjects
        What stands for the objects of the other room.
    tables : TableMemory
        The tables that both rooms remember.
    bounds : Bounds
        What one answer may hold.
    claim, note : callable
        Takes a text: that the student's word was taken for something, or what explains a failure.
    """

    def __init__(
        self,
        objects: RoomObjects,
        tables: TableMemory,
        bounds: Bounds,
        *,
        claim: Callable[[str], None],
        note: Callable[[str], None],
    ) -> None:
        self._objects, self._tables, self._bounds = objects, tables, bounds
        self._claim, self._note = claim, note
        self.find_copy: Callable[[int], Any] = lambda _: None
        """Gives what of the test's went over as a copy."""
        self.refuse: Callable[[str], None] = lambda _: None
        """Ends the test cell, saying why."""
        self.hears: Set[str] = frozenset()
        """Errors that end a loop or a task, as far as the test cell speaks of them."""
        self.is_tests_name: Callable[[str], bool] = lambda _: False
        self.log_again: Callable[[Json, Callable[[Json], BaseException]], None] = _nothing_heard
        """Logs here what was logged there."""

    def take(
        self,
        op: str,
        frame: Frame,
        sent: Sent,
        copied: list[Any],
        *,
        annotating: bool = False,
    ) -> Any:
        """Give what an answer brings, or raise it.

        Parameters
        ----------
        op : str
            What was asked.
        frame : Frame
            The answer.
        sent : Sent
            The mutable objects that went with the question, or that objects gave meanwhile.
        copied : list
            The objects that went as copies.
        annotating : bool, default: False
            Whether annotations were asked for.

        Raises
        ------
        WireError
            If it can't be what an honest room answers.
        HandleError
            If what the student's code returned is too large.
        """
        body, twins = frame.body, self._objects.twins
        replay(body.get("out"))
        decoder = LinkDecoder(
            self._objects, frame.blob, self._bounds, known=sent, tables=self._tables
        )
        self._tables.confirm(body.get("t"))
        decoder.naming, decoder.annotating = op in _NAMING, annotating
        value = decoder.decode(body["v"]) if "v" in body else None
        raised = body.get("e")
        error: BaseException | None = None
        if raised is not None:
            need(type(raised) is dict, "an error")
            error = self._error(raised, decoder)
            if op not in _STEPPING:
                error = without_steering(error, self.hears)
        if body.get("cp"):
            self._change_copies(body["cp"], decoder, copied)
        if body.get("kp"):
            self._change_kept(body["kp"], decoder)
        self.change(body.get("ch"), decoder, sent)
        self.change(body.get("later"), decoder, twins.values())
        if "lost" in body:
            self._note(f"{_LOST} {WAYS_OUT}")
        if "twin" in body and "v" in body:
            value = self._twin(op, body["twin"], value)
        self._keep(body.get("keep"), sent)
        self._tables.let_go(body.get("t"))
        self._warn(body.get("w"), decoder)
        self.hear(body.get("l"), decoder)
        if "large" in body:
            why = str(body["large"])[:200]
            raise HandleError(f"what the student's code returned is too large to look at: {why}")
        if error is not None:
            try:
                raise error
            finally:  # its traceback holds this frame, and all that was asked with
                del error
        need("v" in body, "an answer without a value")
        return value

    def hear(self, records: Json, decoder: Decoder) -> None:
        """Log here what was logged there, if the tests listen."""

        def error_of(item: Json) -> BaseException:
            need(type(item) is dict, "an error")
            return build_error(item, decoder.decode)

        if records:
            self.log_again(records, error_of)

    def _error(self, raised: dict[str, Any], decoder: Decoder) -> BaseException:
        if "again" in raised:
            return build_error(raised, decoder.decode)
        error = build_error(raised, decoder.decode)
        where = raised.get("where")
        if type(where) is list and len(where) == 2 and type(where[1]) is int and where[1]:
            note_rise(error, f"it rose in {str(where[0])[:40]} line {where[1]}")
        missing = _MISSING.fullmatch(str(error)) if isinstance(error, NameError) else None
        if missing and self.is_tests_name(missing[1]):
            self._note(
                f"{missing[1]!r} is a test cell's own name, which the answers don't see. Define "
                "it in a given cell, hand it over as an argument, or tag the test cell "
                "'student-room' so that it runs beside the student's code."
            )
        return error

    def change(self, changes: Json, decoder: Decoder, targets: list[Any]) -> None:
        """Do to this room's objects what student code did to its copies."""
        if changes is None:
            return
        need(type(changes) is list and len(changes) <= len(targets), "a list of changes")
        news: list[tuple[Any, Any, int]] = []
        for change in changes:
            need(type(change) is list and len(change) in (2, 3), "a change")
            number, start = change[0], change[2] if len(change) == 3 else 0
            need(type(number) is int and 0 <= number < len(targets), "a change of nothing")
            need(targets[number] is not None, "a change of nothing")
            new = decoder.decode(change[1])
            if isinstance(targets, Sent):
                targets.look_again(number)
                if not targets.may_change(number):
                    self.refuse(_FIXED)
                    continue
            news.append((targets[number], new, start))
        for target, new, start in news:
            self._note_lost(target)
            try:
                apply_change(target, new, start)
            except ChangeError as error:
                raise HandleError(str(error)) from None
            self._objects.twins.alike([target])
        if news:
            self._claim(_CHANGED)

    def _change_copies(self, changes: Json, decoder: LinkDecoder, copied: list[Any]) -> None:
        """Do to a test's objects of libraries what student code did to the copies."""

        def decode_part(item: Json) -> Any:
            decoder.copied = copied
            try:
                return decoder.decode(item)
            finally:
                decoder.copied = None

        try:
            untold = change_copies(changes, decoder.decode, decode_part, copied)
        except ChangeError as error:
            self.refuse(str(error))
            raise HandleError(str(error)) from None
        self._claim(_CHANGED)
        if untold:
            self._note(
                f"the student's code changed what the test handed over, and what {untold[0]} holds "
                "now can't be brought to the examiner's room. Either let the student's code return "
                "it, or tag the test cell 'student-room'."
            )

    def _change_kept(self, told: Json, decoder: LinkDecoder) -> None:
        """Do to a test's models what student code has done to the copies that it kept."""
        need(type(told) is list and len(told) == 2 and type(told[0]) is list, "kept copies")
        need(all(type(number) is int for number in told[0]), "the numbers of kept copies")
        copied = [self.find_copy(number) for number in told[0]]
        if all(is_model(type(value)) for value in copied):  # else the test holds them no more
            self._change_copies(told[1], decoder, copied)

    def _keep(self, numbers: Json, sent: Sent) -> None:
        """Remember arguments that student code has kept and may change later."""
        if numbers is None:
            return
        need(type(numbers) is list and len(numbers) <= len(sent), "arguments that were kept")
        for number in numbers:
            need(type(number) is int and 0 <= number < len(sent), "an argument that was kept")
            need(sent[number] is not None, "an argument that was kept")
            need(sent.may_change(number), "an argument that was kept")
            self._objects.twins.add(sent[number])

    def _twin(self, op: str, number: Json, value: Any) -> Any:
        """Give this room's own container for one of the student's that both rooms have."""
        if op not in ("name", "given"):
            return self._objects.twins.take(number, value)
        need(type(value) is tuple and len(value) == 1, "a name's value")
        return (self._objects.twins.take(number, value[0]),)

    def _note_lost(self, target: Any) -> None:
        """Say so where a test and the student's code have both changed what that code had kept."""
        if self._objects.twins.is_changed(target):
            why = "an argument that the student's code had kept was then changed by the test and by"
            self._note(f"{why} that code: what the test did to it is lost. {WAYS_OUT}")

    def _warn(self, warned: Json, decoder: Decoder) -> None:
        if not warned:
            return
        need(type(warned) is list and len(warned) <= 50, "warnings")
        for item in warned:
            need(type(item) is list and len(item) in (2, 3) and type(item[1]) is str, "a warning")
            kind = decoder.decode(item[0])
            # No constructor of the student's runs here: that would be asking within an answer.
            made = build_error(item[2], decoder.decode) if len(item) == 3 else None
            warn_again(item[1], kind, made)


def _nothing_heard(*_: Any) -> None:
    raise WireError("log records that nobody asked for")
