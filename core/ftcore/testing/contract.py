"""What every component promises, whatever its kind: a light front, settings that explain themselves, an honest record.

Each kind has a class of its own beside this module (`methods.MethodContract`, `sources.SourceContract`, …) that adds
what users rely on of that kind. All are used in the same way: inherit, give `name` and `settings`, let pytest collect.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import pytest

from ftcore.manager import Offer, PluginManager
from ftcore.protocols import members
from ftcore.run.plan import Choice
from ftcore.run.suggested import suggestions
from ftcore.specs import KINDS, Spec

HEAVY = ("torch", "pydantic", "transformers", "peft", "trl", "datasets", "pyarrow", "numpy")
"""What a front may not import: each takes longer than listing a hundred plugins."""


def replaceable(method: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a method of a contract that a plugin may replace: in `FTCORE_CHECK`, as in a class that inherits."""
    method.is_replaceable = True  # type: ignore[attr-defined]
    return method


class Contract:
    """Inherit from the class of a kind, not from this one.

    >>> class TestShort(RewardContract):
    ...     name = "short"
    ...     settings = {"limit": 80}
    """

    kind: ClassVar[str]
    """The component's kind, as `ftcore.specs.KINDS` keys it."""
    name: ClassVar[str]
    """What a user types: `norms`, or `acme-norms/norms` where a built-in has the name."""
    settings: ClassVar[Mapping[str, Any]] = {}
    """Settings to test with; those that the component cannot do without at least."""
    plugin_files: ClassVar[tuple[str, ...]] = ()
    """Files to load as `--plugin` does, for a plugin that is not installed."""

    @classmethod
    @replaceable
    def prepare(cls, folder: Path) -> None:
        """Make what the settings point at, in an empty folder that lasts as long as the class, and set `cls.settings`.

        For a component that reads files; by default there is nothing to make.
        """

    @pytest.fixture(autouse=True, scope="class")
    def _prepared(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.prepare(tmp_path_factory.mktemp("prepared"))

    # What the tests stand on ------------------------------------------------------------------------------------------

    @classmethod
    def manager(cls) -> PluginManager:
        return _manager(cls.plugin_files)

    @classmethod
    def offer(cls) -> Offer:
        return cls.manager().find(cls.kind, cls.name)

    @classmethod
    def spec(cls) -> Spec:
        return cls.offer().spec

    @classmethod
    def choice(cls, settings: Mapping[str, Any] | None = None) -> Choice[Any]:
        """The component with its settings validated, as a plan holds it; or with other settings."""
        return Choice.of(cls.kind, cls.offer(), **(cls.settings if settings is None else settings))

    @classmethod
    def build(cls) -> Any:
        return cls.choice().build()

    # The front, the settings and the record ---------------------------------------------------------------------------

    def test_the_front_imports_nothing_heavy(self) -> None:
        """Listing plugins costs milliseconds, so a front may not pull torch or pydantic in."""
        plugin = self.offer().plugin
        heavy = _heavy_imports(plugin.module, plugin.distribution == "file")
        assert not heavy, f"the front of {self.spec().name} imports {heavy}; load it where it is used, through a Ref"

    def test_settings_survive_json_and_refuse_what_they_do_not_know(self) -> None:
        if not (ref := self.spec().config):
            assert not self.settings, f"{self.spec().name} has no settings"
            return
        model, settings = ref.load(), self.choice().settings
        assert settings is not None
        assert model.model_validate_json(settings.model_dump_json()) == settings
        with pytest.raises(ValueError, match="no_such_setting"):
            model(**self.settings, no_such_setting=1)

    def test_every_setting_has_a_help_text(self) -> None:
        if ref := self.spec().config:
            missing = [name for name, field in ref.load().model_fields.items() if not field.description]
            assert not missing, f"these settings have no help text: {', '.join(missing)}"

    def test_the_record_tells_the_truth(self) -> None:
        spec = self.spec()
        assert spec.summary.strip(), "the summary is what a listing shows"
        assert "\n" not in spec.summary, "a summary is one line"
        suggestions(self.choice())
        lacking = [package for package in spec.packages if not _is_installed(package)]
        if lacking:
            left_out(f"the package {', '.join(lacking)} is not installed")

    def test_the_factory_builds_what_the_protocol_asks_for(self) -> None:
        built = self.build()
        lacking = [name for name in members(self.kind) if not callable(getattr(built, name, None))]
        assert not lacking, f"the {KINDS[self.kind].title} {self.spec().name} lacks {', '.join(lacking)}"


class ReferredContract(Contract):
    """Of kinds that a bare reference may choose: a file, a folder, an address."""

    def test_what_the_command_line_needs_is_there(self) -> None:
        """`--data NAME:REST` puts REST into the setting `argument`; `claims` is asked about bare references."""
        spec: Any = self.spec()
        if spec.argument is not None:
            assert spec.config, "`argument` names a setting, so there are settings"
            assert spec.argument in self.offer().fields(), f"there is no setting {spec.argument!r}"
        if spec.claims is not None:
            assert spec.argument, "what is claimed is put into the setting `argument`"
            assert not spec.claims.load()("a reference that nobody claims"), "it claims everything"


def left_out(reason: str) -> NoReturn:
    """End a test that has nothing to look at, saying so where results are listed."""
    pytest.skip(f"left out: {reason}")


@cache
def _manager(files: tuple[str, ...]) -> PluginManager:
    return PluginManager.discover(files=files)


@cache
def _heavy_imports(module: str, is_file: bool) -> str:
    """The large modules that importing a front brings along, found in a process of its own, once a front.

    A single file is loaded only when it is named, and has its settings in it, so it may import pydantic.
    """
    heavy = set(HEAVY) - ({"pydantic"} if is_file else set())
    load = f"runpy.run_path({module!r})" if is_file else f"importlib.import_module({module.partition(':')[0]!r})"
    code = f"import importlib, runpy, sys; {load}; print(*sorted({heavy!r} & set(sys.modules)), sep=', ')"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"the front does not import by itself: {done.stderr.strip()}"
    return done.stdout.strip()


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
