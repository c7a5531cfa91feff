"""A small library for operating machine learning, one concept a module."""

__all__: list[str] = []
