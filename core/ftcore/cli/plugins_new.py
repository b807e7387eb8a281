"""`plugins new`: an installable plugin package that passes its own tests, to be changed from there."""

from __future__ import annotations

import importlib.util
import json
import keyword
import re
import sys
from pathlib import Path

import click

from ftcore.errors import UsageError, closest, did_you_mean
from ftcore.scaffold import BLUEPRINTS, Package, write
from ftcore.specs import KINDS

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""How a distribution's name looks when it is normalised (PEP 503) and a module can be called by it too."""


@click.command()
@click.argument("name")
@click.option("--kind", metavar="|".join(BLUEPRINTS), help="What the plugin offers.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def new(name: str, kind: str | None, as_json: bool) -> None:
    """Write a plugin package into the folder NAME: a working component of a kind, with its tests.

    NAME is the distribution, such as acme-norms. Without a leading `ftcore-` it is also what users type.
    """
    package = Package(name, _kind(name, kind))
    _must_be_a_name(package)
    _must_be_free(package)
    files = _written(package, Path(name))
    following = [f"cd {name}", 'pip install --editable ".[test]"  # [test] brings pytest', "pytest", *package.usage[:1]]
    if as_json:
        names = {"distribution": name, "package": package.module, "name": package.component, "kind": package.kind}
        click.echo(json.dumps({"folder": name, **names, "files": files, "next": following}, indent=2))
        return
    title = KINDS[BLUEPRINTS[package.kind].key].title
    click.echo(f"{name}: the {title} {package.component!r} in {len(files)} files. Next:")
    for line in following:
        click.echo(f"  {line}")


def _kind(name: str, kind: str | None) -> str:
    if kind is not None and kind in BLUEPRINTS:
        return kind
    near = closest(kind, BLUEPRINTS) if kind else None
    raise UsageError(
        f"there is no kind of plugin {kind!r}{did_you_mean(kind, BLUEPRINTS)}" if kind else "say what it offers",
        where="--kind",
        fix=f"ftcore plugins new {name} --kind {near or 'method'}",
        more=[f"kinds: {', '.join(BLUEPRINTS)}"],
    )


def _must_be_a_name(package: Package) -> None:
    if not NAME.fullmatch(package.distribution):
        raise _refused(
            package,
            "a package is named in lower case, with single hyphens between words",
            _mended(package.distribution),
        )
    if keyword.iskeyword(package.module):
        raise _refused(package, f"{package.module} is a word of the language itself", f"ftcore-{package.distribution}")


def _must_be_free(package: Package) -> None:
    """Raise for a name under which the package could not be imported, or its component not be found."""
    from ftcore.line import options

    other = f"my-{package.component}"
    if package.module in sys.stdlib_module_names or importlib.util.find_spec(package.module):
        raise _refused(package, f"a module {package.module} is there already", other)
    key = BLUEPRINTS[package.kind].key
    for offer in options.manager().catalogue(key).get(package.component, ()):
        what = f"{offer.plugin.key} offers a {KINDS[key].title} {package.component!r} already"
        raise _refused(package, what, other)


def _refused(package: Package, what: str, better: str) -> UsageError:
    return UsageError(
        what, where="NAME", value=package.distribution, fix=f"ftcore plugins new {better} --kind {package.kind}"
    )


def _mended(name: str) -> str:
    """The name that was probably meant."""
    words = re.findall(r"[a-z0-9]+", name.lower())
    slug = "-".join(words)
    return slug if NAME.fullmatch(slug) else "-".join(["my", *words]) if words else "my-plugin"


def _written(package: Package, folder: Path) -> list[str]:
    try:
        return write(package, folder)
    except FileExistsError:
        raise UsageError(
            "the folder is there already",
            where=str(folder),
            fix=f"ftcore plugins new my-{package.component} --kind {package.kind}",
        ) from None
    except OSError as error:
        raise UsageError(f"the package cannot be written: {error.strerror}", where=str(folder)) from None
