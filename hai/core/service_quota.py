"""Which services of their own users may declare: rows `custom_service:<type>:<port>` of what users
may use, port `*` for any.

Each type has rows of its own: that of the port decides, else that of `*`. Where there are rows for
ports alone, a row above 0 makes them the list of what is allowed; a type without a row is free.
The built-in services need no row.
"""

from collections.abc import Iterable, Mapping

from hai.core.allowance import Allowance
from hai.core.services import BUILT_IN, Service

PREFIX = "custom_service:"
ANY_PORT = "*"


def service_rows(rows: Iterable[Allowance]) -> tuple[Allowance, ...]:
    """Those that speak of services."""
    return tuple(row for row in rows if row.resource.startswith(PREFIX))


def resource_of(service: Service) -> str:
    """The row that would be about this service alone; a local one has no port."""
    port = ANY_PORT if service.port is None else service.port
    return f"{PREFIX}{service.type}:{port}"


def first_refused(
    services: Iterable[Service], amounts: Mapping[str, int]
) -> tuple[Service, str] | None:
    """The first service that the rows do not allow, and the resource that decides it. `amounts`:
    what counts for the user, by resource, those of 0 included."""
    for service in services:
        if service.name in BUILT_IN:
            continue
        deciding = _deciding(service, amounts)
        if deciding and not amounts.get(deciding):
            return service, deciding
    return None


def _deciding(service: Service, amounts: Mapping[str, int]) -> str:
    """Empty: no row is about it, it is allowed."""
    own, of_any = resource_of(service), f"{PREFIX}{service.type}:{ANY_PORT}"
    for resource in (own, of_any):
        if resource in amounts:
            return resource
    of_type = f"{PREFIX}{service.type}:"
    listed = any(amount for name, amount in amounts.items() if name.startswith(of_type))
    return own if listed else ""
