"""Build, grade and report notebook labs."""

__all__: list[str] = []
