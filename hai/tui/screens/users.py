"""What everybody holds, and what of their quota is in use."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

from textual.binding import BindingType

from hai.tui.bindings import bindings_of
from hai.tui.screens.tables import TableView
from hai.tui.user_rows import USER_COLUMNS, UserRow, user_rows


class UsersScreen(TableView):
    view = "users"
    BINDINGS: ClassVar[list[BindingType]] = bindings_of("users")
    columns = USER_COLUMNS

    def rows(self) -> Sequence[UserRow]:
        return user_rows(self.hai.model)

    def key(self, row: Any) -> Hashable:
        return str(row.name)

    def text(self, row: Any) -> str:
        return f"{row.name} {row.held} {row.running} {row.waiting}"

    def labels(self, row: Any) -> Mapping[str, str]:
        return {"user": row.name}

    def open_row(self, row: Any) -> None:
        self.hai.go("queue", f"-l user={row.name}")

    def cli_equivalent(self) -> str:
        row = self.table.current
        return f"hai-cli quota list -u {row.name}" if row else "hai-cli quota list"
