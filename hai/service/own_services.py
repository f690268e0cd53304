"""Whether a user may declare the services of a submission."""

from hai.core.allowance import counting
from hai.core.identity import User
from hai.core.service_quota import first_refused, resource_of
from hai.core.services import services_of
from hai.core.task import TaskDraft
from hai.errors import OverQuota
from hai.service.shape import Shape


def check_services(user: User, draft: TaskDraft, shape: Shape, now: float) -> None:
    """OverQuota for the first service that the rows of the user do not allow."""
    if not shape.service_rows:
        return
    amounts = counting(shape.service_rows, user.name, user.owns_as, now)
    found = first_refused(services_of(draft.spec), amounts)
    if found is None:
        return
    service, deciding = found
    port = "" if service.port is None else f" at port {service.port}"
    row = f"{deciding}={amounts.get(deciding, 0)}"
    told = row if deciding in amounts else f"there is no row {deciding}"
    raise OverQuota(
        f"{user.name} may not have the {service.type} service {service.name}{port}: {told}",
        hint="leave it out, or ask an admin for hai-cli quota set "
        f"{user.name} '{resource_of(service)}=1'; hai-cli quota allowances shows what you may use",
        details={"service": service.name, "resource": resource_of(service)},
    )
