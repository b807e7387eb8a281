"""The templates of pages: all escaping is here, and all pages share one look, `page.css`.

A page contains no script and loads nothing from anywhere; whatever rows, models and names say stays text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftcore_plugins.metrics.words import count, counted, duration, share, shown, size

if TYPE_CHECKING:
    from jinja2 import Template


def template(package: str, name: str) -> Template:
    """The template `name` from a plugin's folder; it may say `{% include "page.css" %}`.

    Every text that is put in passes `shown`, then autoescape. SVG made by us is Markup and stays as it is.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(folder, ".") for folder in (package, "ftcore_plugins.html")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: shown(value) if type(value) is str else value,
    )
    environment.filters |= {"count": count, "counted": counted, "size": size, "duration": duration, "share": share}
    return environment.get_template(name)
