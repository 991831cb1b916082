"""Which failures of a model's API are worth another try, and which never will be."""

import re
from typing import Literal

__all__ = ["Kind", "kind_of"]

Kind = Literal["", "transient", "permanent"]

_STATUS = re.compile(r"(?:^|status|error|code|http)\W{0,5}([1-5]\d\d)\b", re.IGNORECASE)
_PERMANENT = re.compile(
    r"authenticat|unauthori[sz]ed|not logged in|/login|forbidden|permission.?denied"
    r"|api.?key.{0,30}(?:invalid|not valid|missing|expired|required)|invalid.{0,12}api.?key"
    r"|credit balance|insufficient.?(?:quota|credit|fund|balance)|billing|payment required"
    r"|current quota|quota exceeded|out of credit"
    r"|model.{0,80}(?:not found|does not exist|not supported)|unknown model|model_not_found",
    re.IGNORECASE,
)
_TRANSIENT = re.compile(
    r"rate.?limit|too many requests|overload|at capacity|high demand|temporar|timed? ?out"
    r"|econn|enotfound|eai_again|connection|cannot connect|socket|disconnected|^terminated$"
    r"|network|stream (?:ended|closed)|unavailable|internal server error|server_error",
    re.IGNORECASE,
)
_LOOKED_AT = 4000


def kind_of(message: str, status: int = 0) -> Kind:
    """
    Judge one error by its HTTP status, read from the text if it is not given, and its words.

    Too little money comes as 400, 402 or 429, so words outrank the status there.
    """
    message = message[:_LOOKED_AT]
    if not status and (found := _STATUS.search(message)):
        status = int(found[1])
    if status in (401, 402, 403, 404):
        return "permanent"
    if status >= 500 or status == 408:
        return "transient"
    if _PERMANENT.search(message):
        return "permanent"
    if status in (409, 425, 429) or _TRANSIENT.search(message):
        return "transient"
    return ""
