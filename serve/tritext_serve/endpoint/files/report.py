"""What is wrong with a file, and what in it means nothing here: collected while the file is read. Pure."""

from dataclasses import dataclass, field

WIDEST = 60
LONGEST_FIELD = 160


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to say of a line.

    Attributes:
        file: The file, as the user named it.
        line: Its line, from 1.
        field: The field's path, such as ``request_settings.request_timeout_ms``.
        what: What is wrong, or what is ignored.
        remedy: What to do next; "" where there is nothing to do.
    """

    file: str
    line: int
    field: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        """One line of text, whatever the file holds."""
        end = f": {self.remedy}" if self.remedy else ""
        field = self.field if len(self.field) <= LONGEST_FIELD else f"{self.field[:LONGEST_FIELD]}…"
        text = f"{self.file}:{self.line}: {field}: {self.what}{end}"
        return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


@dataclass(frozen=True, slots=True)
class Report:
    """What is said of one file.

    Attributes:
        file: The file, as the user named it.
        problems: Why it is refused, in the order found.
        notes: What it says without effect here.
    """

    file: str
    problems: list[Remark] = field(default_factory=list)
    notes: list[Remark] = field(default_factory=list)

    def refuse(self, line: int, name: str, what: str, remedy: str) -> None:
        """Add a problem."""
        self.problems.append(Remark(self.file, line, name, what, remedy))

    def note(self, line: int, name: str, what: str) -> None:
        """Add a note."""
        self.notes.append(Remark(self.file, line, name, what))


def quote(value: object) -> str:
    """Show a value within a line: unprintable characters escaped, long ones cut."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no decimal of more than 4,300 digits, which hexadecimal ones can make
        text = "a number of thousands of digits"
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 2]}…{text[-1]}"
