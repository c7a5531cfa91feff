"""So that ``python -m`` runs the commands too."""

from .cli import main

main()
