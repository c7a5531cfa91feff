"""Warm a process that forks rooms: importing this module is the order to do so.

It is meant to be the last module that such a process imports, after the libraries whose classes
the rooms should know.
"""

from autograder.room_libraries import use_libraries_once
from autograder.room_shells import warm_up

__all__: list[str] = []

use_libraries_once()
warm_up()
