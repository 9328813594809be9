"""The page's words and figures in two languages (`texts.csv`): texts, counts, money, times and ages."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from canonical.problem import filled

HERE = Path(__file__).resolve().parent
LANGUAGES = {"pt": "pt-BR", "en": "en"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Words of one language, times of one zone, ages counted at one moment."""

    language: str
    zone: str
    at: datetime.datetime

    @property
    def tag(self) -> str:
        """The BCP 47 tag."""
        return LANGUAGES[self.language]

    @property
    def other(self) -> str:
        """The other language."""
        return "en" if self.language == "pt" else "pt"

    def say(self, key: str, **values: object) -> str:
        """The text of `key`, with its places filled; a key that is not in the table is a defect and raises KeyError."""
        text = texts()[key][self.language]
        if "|" in text:
            return filled(text, {name: str(value) for name, value in values.items()}, self.language)
        return text.format(**values)

    def count(self, number: int) -> str:
        """A whole number with thousands marked."""
        return f"{number:,}".replace(",", "." if self.language == "pt" else ",")

    def money(self, cents: int) -> str:
        """Cents as reais."""
        reais, rest = divmod(abs(cents), 100)
        return f"{'-' if cents < 0 else ''}{self.count(reais)}{',' if self.language == 'pt' else '.'}{rest:02d}"

    def day(self, day: datetime.date) -> str:
        """A calendar day as it is written in the language; ISO 8601 in English."""
        return day.strftime("%d/%m/%Y") if self.language == "pt" else day.isoformat()

    def month(self, month: str) -> str:
        """A month (`2026-11`) as it is written in the language; ISO 8601 in English."""
        year, _, number = month.partition("-")
        return f"{number}/{year}" if self.language == "pt" else month

    def clock(self, moment: datetime.datetime) -> str:
        """The time of day in the page's zone."""
        return moment.astimezone(self._place()).strftime("%H:%M:%S")

    def moment(self, moment: datetime.datetime) -> str:
        """Day and time of day in the page's zone, to the minute."""
        at = moment.astimezone(self._place())
        return f"{self.day(at.date())} {at:%H:%M}"

    def _place(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError):
            return ZoneInfo("UTC")

    def ago(self, moment: datetime.datetime | None) -> str:
        """How long before the page's moment; a dash for never."""
        if moment is None:
            return "–"
        return self.age(max(0, int((self.at - moment).total_seconds())))

    def age(self, seconds: int) -> str:
        """How long ago so many seconds are."""
        for name, size, most in (("seconds", 1, 120), ("minutes", 60, 7200), ("hours", 3600, 172_800)):
            if seconds < most:
                return self.say(f"age.{name}", n=seconds // size)
        return self.say("age.days", n=seconds // 86_400)


def language_of(asked: str, accepted: str) -> str:
    """`pt` or `en`: what the address asks for, else the first of Accept-Language we have, else Portuguese."""
    if asked[:2] in LANGUAGES:
        return asked[:2]
    for part in accepted.split(","):
        name = part.split(";")[0].strip().lower()[:2]
        if name in LANGUAGES:
            return name
    return "pt"


@cache
def texts() -> Mapping[str, Mapping[str, str]]:
    """All texts by key and language."""
    with (HERE / "texts.csv").open(encoding="utf-8", newline="") as file:
        return {row["key"]: {name: row[name] for name in LANGUAGES} for row in csv.DictReader(file)}
