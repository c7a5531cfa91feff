"""The one error tree of the kit; every message says what was found, what was wanted, and next.

Each error doubles as the built-in that a caller would expect, so ``except ValueError`` catches
bad data whether or not the caller has heard of :class:`DataError`.
"""

__all__ = [
    "CiError",
    "DataError",
    "EdgeError",
    "GateError",
    "KitError",
    "MissingToolError",
    "RegistryError",
    "ServeError",
    "TemplateError",
    "TrackingError",
]


class KitError(Exception):
    """Base of everything the kit raises on purpose; the command line prints it and exits."""


class DataError(KitError, ValueError):
    """A value, an array or a frame isn't what the function can work with."""


class MissingToolError(KitError, ImportError):
    """A tool that the function needs isn't installed; the message names the extra to install."""


class CiError(KitError, ValueError):
    """A workflow file can't be read, or asks for something that isn't supported here."""


class TrackingError(KitError, RuntimeError):
    """A run can't be stored, found, compared or repeated."""


class ServeError(KitError, RuntimeError):
    """A model can't be found, loaded or called as a service."""


class EdgeError(KitError, RuntimeError):
    """A model can't be exported, compiled or run for a device, or exceeds its budgets."""


class GateError(KitError, ValueError):
    """A gate is declared wrongly, or can't be judged on what it was given."""


class RegistryError(KitError, RuntimeError):
    """A model can't be registered, promoted, rolled back or traced."""


class TemplateError(KitError, ValueError):
    """A project can't be made from a template, or brought to a newer one."""
