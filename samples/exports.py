"""One entry of each form that other programs read, of the image that ships: run it from the folder of the checkout."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from process_anatomy import open_image
from process_anatomy.fleet.export import Asked, export
from process_anatomy.fleet.exports import FORMS

path = Path("samples/lab-win11-22621.dmp")
image = open_image(path)


def entry(form: str, view: str, number: int) -> str:
    """A line of the file that holds a view in a form."""
    with TemporaryDirectory() as place:
        export(image, path, Path(place, form), Asked([view], form))
        return Path(place, form, FORMS[form].file(view)).read_text("utf-8").splitlines()[number]


def shown(form: str, view: str, number: int, *left_out: str) -> None:
    """An entry, a field a line, without what makes it long."""
    found = json.loads(entry(form, view, number).rstrip(","))
    print(f"{form}, {view}:")
    for name in (name for name in found if name not in left_out):
        print(f"  {name}: {json.dumps(found[name], ensure_ascii=False)}")


shown("timesketch", "threads", 3, "image", "StackLimit", "InitialStack", "KernelStack", "Attached", "TEB", "Flags")
shown("ecs", "processes", 11, "anatomy", "host", "labels")
shown("ecs", "findings", 1, "anatomy", "host", "labels", "event")
shown("ocsf", "processes", 11, "unmapped", "metadata")
shown("stix", "processes", 40)
shown("sarif", "findings", 5, "locations", "partialFingerprints", "properties")
