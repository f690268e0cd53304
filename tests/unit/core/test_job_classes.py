"""Where classes of alike claims stand."""

from hai.core.queue.job_classes import Entry, JobClass, JobClasses
from hai.core.types import Priority, TaskId, UserName

ENTRY = Entry(0.5, 10.0, UserName("alice"), (True, 0.0, 1.0, TaskId(1)), Priority.AUTO, 2)


def test_the_same_entry_moves_to_another_level() -> None:
    """As a class with AUTO does whose user has waited equally long at both."""
    classes, job_class = JobClasses(), JobClass()
    classes.place(job_class, Priority.HIGH, ENTRY)
    classes.place(job_class, Priority.LOW, ENTRY)
    assert classes.levels() == [Priority.LOW]
    assert classes.widths(Priority.LOW) == {2: [ENTRY]}
    classes.place(job_class, None, None)
    assert classes.levels() == []
