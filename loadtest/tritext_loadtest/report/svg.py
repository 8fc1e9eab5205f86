"""Elements of a picture: names, attributes and children in, escaped markup out. Pure."""

from markupsafe import Markup, escape

Part = Markup | str


def element(name: str, *children: Part, **attributes: object) -> Markup:
    """Write one element; everything that is not markup yet is escaped.

    Args:
        name: The element's name.
        *children: What stands in it.
        **attributes: ``class_`` is written ``class``, ``stroke_width`` is written ``stroke-width``; numbers get one
            place at most.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_shown(value))}"' for key, value in attributes.items()
    )
    inside = "".join(escape(child) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>")  # noqa: S704  # each part of it is escaped above


def picture(name: str, size: tuple[float, float], title: str, description: str, *children: Part) -> Markup:
    """Write a whole picture, which shrinks with the page and says what it shows to whoever cannot see it.

    Args:
        name: An identifier of its own on the page.
        size: Width and height of its coordinates.
        title: What it is.
        description: What it shows, in a sentence.
        *children: Its elements.
    """
    head = element("title", title, id=f"{name}-title"), element("desc", description, id=f"{name}-desc")
    named = {"aria-labelledby": f"{name}-title {name}-desc"}
    return element("svg", *head, *children, viewBox=f"0 0 {size[0]:g} {size[1]:g}", role="img", **named)


def label(x: float, y: float, words: str, anchor: str = "start", **attributes: object) -> Markup:
    """Write words at a place."""
    return element("text", words, x=x, y=y, text_anchor=anchor, **attributes)


def line(start: tuple[float, float], end: tuple[float, float], kind: str) -> Markup:
    """Draw a line of a kind that the style sheet knows."""
    return element("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], class_=kind)


def _shown(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
