"""Usage limits as CLIs word them: found on a screen or in a message, with the time they end."""

import re
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from looop.kit import text
from looop.loop.workers.agents.base import Limit

__all__ = ["GENERIC", "ends_at", "on_screen", "paragraphs"]

_SHOWN = 200
# How far from now the end of a limit may be meant, back and forth, in seconds.
_BACK, _AHEAD = 86400.0, 400 * 86400.0
# How much of a screen is looked at, and how far apart lines of one message may be wrapped.
_ROWS = 30
_WRAPPED = 4

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LEADS = r"(?:resets?|try again|available again|continuing automatically)"
_EPOCH = re.compile(r"limit reached\|(\d{10})\b", re.IGNORECASE)
_ISO = re.compile(
    rf"{_LEADS}(?: at| on)? (\d{{4}}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))",
    re.IGNORECASE,
)
_PIECE = r"\d{1,5}\s*(?:days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)\b"
_AFTER = re.compile(rf"{_LEADS} in ({_PIECE}(?:(?:,| and)?\s*{_PIECE})*)", re.IGNORECASE)
_NUMBER = re.compile(r"(\d+)\s*([dhms])", re.IGNORECASE)
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_CLOCK = re.compile(
    rf"{_LEADS}(?: on)?(?: at)?:? "
    r"(?:(?P<month>[A-Z][a-z]{2})[a-z]*\.? (?P<day>\d{1,2})(?:st|nd|rd|th)?"
    r"(?:,? (?P<year>\d{4}))?(?:,| at)* )?"
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?\s?(?P<half>[ap]\.?m\b\.?)?"
    r"(?:\s?\((?P<zone>[^)]{1,40})\))?",
    re.IGNORECASE,
)

_MARKERS = "●⏺•■⎿✻✳⚠\u276f\u203a◐◑→"
_STARTS = re.compile(rf"\s*[{_MARKERS}]")
_RULE = re.compile(r"\s*[─━▔▁╌═]{8,}")
_LEADING = re.compile(rf"\A[\s{_MARKERS}]+")
_ENDS = r"(?=\s*(?:$|[·|.,;:!∙—\u2013(-]))"

# The wordings that CLIs share. Each must be how a message begins, and end where a sentence of
# prose would go on: an agent that talks about limits is not limited.
GENERIC = re.compile(
    r"(?:Error: |API Error: )?(?:"
    rf"(?:You['\u2019]ve|You have) (?:hit|reached) your [^.·|]{{0,60}}?limit{_ENDS}"
    rf"|(?:Claude (?:AI )?usage|Usage|Rate|5-hour|Five-hour|Session|Weekly|Daily|Monthly) limit "
    rf"(?:reached|exceeded){_ENDS}"
    r"|exceeded retry limit, last status: 429\b"
    r"|(?:Request rejected \(429\)|429 Too Many Requests|HTTP 429)"
    r")",
    re.IGNORECASE,
)


def ends_at(message: str, now: float) -> float:
    """
    The wall time at which a message says that its limit ends; 0 when it does not say.

    A time of day is the next one after `now`, in the zone that is named, else in ours: of one
    message, keep the first answer.
    """
    message = " ".join(message.split())
    return _plausible(_said(message, now), now)


def _plausible(at: float, now: float) -> float:
    return at if now - _BACK <= at <= now + _AHEAD else 0.0


def _said(message: str, now: float) -> float:
    if found := _EPOCH.search(message):
        return float(found[1])
    if found := _ISO.search(message):
        try:
            return datetime.fromisoformat(found[1].upper()).timestamp()
        except ValueError:
            return 0.0
    if found := _AFTER.search(message):
        pieces = _NUMBER.findall(found[1])
        return now + sum(int(number) * _UNITS[unit.lower()] for number, unit in pieces)
    if found := _CLOCK.search(message):
        return _clock(found, now)
    return 0.0


def _clock(found: re.Match[str], now: float) -> float:
    hour, minute = int(found["hour"]), int(found["minute"] or 0)
    half = (found["half"] or "").lower()
    if not (1 <= hour <= 12 if half else hour < 24) or minute > 59:
        return 0.0
    if half:
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    elif found["minute"] is None:
        return 0.0
    try:
        zone = _zone(found["zone"] or "")
        here = datetime.fromtimestamp(now, UTC).astimezone(zone)
        if found["month"]:
            return _on_day(here.date(), found, hour, minute, zone, now)
        at = _stamp(here.date(), hour, minute, zone)
        return at if at > now else _stamp(here.date() + timedelta(days=1), hour, minute, zone)
    except (LookupError, ValueError, OverflowError, OSError):
        return 0.0


def _zone(name: str) -> tzinfo | None:
    """The zone of that name, None for ours; raises for one that this machine does not know."""
    if not name:
        return None
    return UTC if name.upper() in ("UTC", "GMT", "Z") else ZoneInfo(name)


def _stamp(day: date, hour: int, minute: int, zone: tzinfo | None) -> float:
    if zone is None:
        return time.mktime((day.year, day.month, day.day, hour, minute, 0, 0, 0, -1))
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).timestamp()


def _on_day(
    today: date, found: re.Match[str], hour: int, minute: int, zone: tzinfo | None, now: float
) -> float:
    month = _MONTHS.index(found["month"].lower()) + 1
    day = date(int(found["year"] or today.year), month, int(found["day"]))
    at = _stamp(day, hour, minute, zone)
    if not found["year"] and at < now - _BACK:
        at = _stamp(day.replace(year=day.year + 1), hour, minute, zone)
    return at


def paragraphs(rows: Sequence[str]) -> list[str]:
    """The messages of a screen: rows between blank ones, rules and markers, joined."""
    out: list[list[str]] = []
    fresh = True
    for row in [text.plain(row).rstrip() for row in rows][-_ROWS:]:
        if not row.strip() or _RULE.match(row):
            fresh = True
            continue
        if fresh or _STARTS.match(row):
            out.append([row])
            fresh = False
        elif len(out[-1]) < _WRAPPED:
            out[-1].append(row.strip())
    return [" ".join(rows) for rows in out]


def on_screen(
    rows: Sequence[str],
    now: float,
    wordings: re.Pattern[str],
    *,
    marked: str = "",
    goes_on: Iterable[str] = (),
) -> Limit | None:
    """
    The limit that the last message of a screen reports.

    With `marked`, only messages that begin with one of these markers count. `goes_on` are the
    markers of the agent's own messages: one of them below a limit means that it works again.
    """
    for paragraph in reversed(paragraphs(rows)):
        message = _LEADING.sub("", paragraph)
        marker = paragraph.strip()[0]
        if wordings.match(message) and (not marked or marker in marked):
            return Limit(text=text.one_line(message, _SHOWN), until=ends_at(message, now))
        if marker in goes_on:
            return None
    return None
