"""The one error tree of the autograder; every message says what was found, wanted, and next."""

__all__ = [
    "CourseError",
    "GraderError",
    "LabError",
    "NotebookError",
    "SandboxError",
    "SubmissionError",
]


class GraderError(Exception):
    """Base of everything the autograder raises on purpose; the command line prints it and exits."""


class CourseError(GraderError, ValueError):
    """A course folder, its configuration or its gradebook can't be used."""


class LabError(GraderError, ValueError):
    """A lab's own files (notebook, ``lab.toml``, answers) are wrong: the teacher's to mend."""


class NotebookError(GraderError, ValueError):
    """A notebook file can't be read as a notebook."""


class SubmissionError(GraderError, ValueError):
    """A submission can't be taken in: a bad student id, a missing or unreadable file."""


class SandboxError(GraderError, OSError):
    """A machine that can't confine students' code as was asked."""
