"""Values of the standard library that cross by value: times, exact numbers, paths, UUIDs."""

import datetime as dt
import decimal
import fractions
import pathlib
import random
import re
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any

from autograder.wire_values import DECODERS, ENCODERS, MUTABLE, Decoder, Encoder, Json, need

__all__ = ["decode_zone", "encode_zone"]

_DECIMAL = re.compile(
    r"-?(\d{1,5000}(\.\d{0,5000})?|\.\d{1,5000})(E[+-]?\d{1,5})?|-?(s?NaN|Infinity)"
)
_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,3}")
_PATH_CHARACTERS = 4096


def encode_zone(zone: Any) -> Json:
    """Encode a time zone of the standard library; ``False`` where it isn't one."""
    if zone is None or zone is dt.UTC:
        return zone and "UTC+0"
    if type(zone) is dt.timezone:
        offset = zone.utcoffset(None)
        return [offset.days, offset.seconds, offset.microseconds]
    if type(zone) is zoneinfo.ZoneInfo and zone.key:
        return zone.key
    return False


def decode_zone(item: Json) -> dt.tzinfo | None:
    """Build a time zone."""
    if item is None:
        return None
    if item == "UTC+0":
        return dt.UTC
    if type(item) is list:
        need(len(item) == 3 and all(type(part) is int for part in item), "an offset")
        return dt.timezone(dt.timedelta(*item))
    need(type(item) is str and _ZONE.fullmatch(item), "a time zone's name")
    return zoneinfo.ZoneInfo(item)


def _encode_datetime(encoder: Encoder, value: dt.datetime) -> Json:
    zone = encode_zone(value.tzinfo)
    if zone is False:
        return encoder.fallback(value)
    parts = value.timetuple()[:6]
    return ["dt", *parts, value.microsecond, value.fold, zone]


def _encode_time(encoder: Encoder, value: dt.time) -> Json:
    zone = encode_zone(value.tzinfo)
    if zone is False:
        return encoder.fallback(value)
    return ["tm", value.hour, value.minute, value.second, value.microsecond, value.fold, zone]


def _ints(items: list[Any]) -> list[int]:
    need(all(type(item) is int for item in items), "ints")
    return items


def _decode_datetime(_: Decoder, item: list[Any]) -> dt.datetime:
    need(len(item) == 10, "a date and time")
    parts = _ints(item[1:9])
    return dt.datetime(*parts[:7], tzinfo=decode_zone(item[9]), fold=parts[7])  # type: ignore[misc,arg-type]


def _decode_time(_: Decoder, item: list[Any]) -> dt.time:
    need(len(item) == 7, "a time")
    parts = _ints(item[1:6])
    hour, minute, second, microsecond, fold = parts
    return dt.time(hour, minute, second, microsecond, decode_zone(item[6]), fold=fold)


def _text(item: list[Any], pattern: re.Pattern[str], what: str) -> str:
    need(len(item) == 2 and type(item[1]) is str and pattern.fullmatch(item[1]), what)
    return str(item[1])


def _encode_decimal(encoder: Encoder, value: decimal.Decimal) -> Json:
    text = str(value)
    return ["dc", text] if _DECIMAL.fullmatch(text) else encoder.fallback(value)


def _decode_fraction(decoder: Decoder, item: list[Any]) -> fractions.Fraction:
    return fractions.Fraction(*_ints([decoder.decode(part) for part in item[1:]]))


def _encode_path(encoder: Encoder, value: pathlib.PurePath) -> Json:
    text = str(value)
    return ["p", text] if len(text) <= _PATH_CHARACTERS else encoder.fallback(value)


def _decode_path(kind: type[pathlib.PurePath]) -> Callable[[Decoder, list[Any]], pathlib.PurePath]:
    def decode(_: Decoder, item: list[Any]) -> pathlib.PurePath:
        need(type(item[1]) is str and len(item[1]) <= _PATH_CHARACTERS, "a path")
        return kind(item[1])

    return decode


def _decode_random(decoder: Decoder, item: list[Any]) -> random.Random:
    slot = decoder.reserve()
    decoder.made[slot] = generator = random.Random(0)
    generator.setstate(decoder.decode(item[1]))
    return generator


ENCODERS.update(
    {
        dt.datetime: _encode_datetime,
        dt.date: lambda _, value: ["da", value.year, value.month, value.day],
        dt.time: _encode_time,
        dt.timedelta: lambda _, value: ["td", value.days, value.seconds, value.microseconds],
        decimal.Decimal: _encode_decimal,
        fractions.Fraction: lambda encoder, value: [
            "fr",
            encoder.encode(value.numerator),
            encoder.encode(value.denominator),
        ],
        random.Random: lambda encoder, value: ["rr", encoder.encode(value.getstate())],
        uuid.UUID: lambda _, value: ["u", value.hex],
        type(pathlib.Path()): _encode_path,
        pathlib.PurePosixPath: lambda encoder, value: ["pp", *_encode_path(encoder, value)[1:]],
    }
)
DECODERS.update(
    {
        "dt": _decode_datetime,
        "da": lambda _, item: dt.date(*_ints(item[1:])),
        "tm": _decode_time,
        "td": lambda _, item: dt.timedelta(*_ints(item[1:])),
        "dc": lambda _, item: decimal.Decimal(_text(item, _DECIMAL, "a decimal number")),
        "fr": _decode_fraction,
        "rr": _decode_random,
        "u": lambda _, item: uuid.UUID(hex=_text(item, re.compile(r"[0-9a-f]{32}"), "a UUID")),
        "p": _decode_path(pathlib.Path),
        "pp": _decode_path(pathlib.PurePosixPath),
    }
)
MUTABLE.add(random.Random)
