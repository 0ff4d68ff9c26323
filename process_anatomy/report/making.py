"""Makes the page of an image, view after view, so that no more than one view's rows are held at a time."""

from __future__ import annotations

from process_anatomy.report.diagram import Parts, drawing
from process_anatomy.report.gathered import about, declared, gathered, notes, packed_view
from process_anatomy.report.packing import sealed
from process_anatomy.report.page import rendered
from process_anatomy.report.skeleton import SKELETON
from process_anatomy.views.declaration import Request
from process_anatomy.views.report import Diagram, Page


def page(request: Request) -> Page:
    """The page of an image, and the diagram of each of its processes.

    The same image, asked the same, gives the same bytes.

    Args:
        request: of the report.

    Raises:
        RequestError: there is no such process, or jinja2 is not installed.
    """
    used: set[str] = set()
    parts, views, problems = {}, [], []
    drawn = Parts()
    library = request.explain.library
    for found in gathered(request):
        parts[found.view.name] = sealed(packed_view(found, library, used))
        views.append(declared(found))
        drawn.take(found)
        problems += [f"{found.view.name}: {found.failed}"] if found.failed else []
    known = about(request)
    diagrams = drawn.facts()
    whole = {
        "about": sealed({
            "image": known, "views": views, "notes": notes(library, used, request.explain.own),
            "level": request.explain.level.value,
        }),
        "diagrams": sealed(diagrams),
    }  # fmt: skip
    title = f"{known['windows']}, taken {known['captured']}" if known["captured"] else known["windows"]
    return Page(
        text=rendered(title, whole | parts, SKELETON),
        views=len(views),
        rows=sum(view["count"] for view in views),
        problems=tuple(problems),
        diagrams=(Diagram(one["pid"], one["name"], drawing(one, library)) for one in diagrams),
    )
