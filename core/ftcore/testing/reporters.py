"""The contract of reporters: every event of a real run is handled, and so is a run that fails.

    from ftcore.testing.reporters import ReporterContract

    class TestBell(ReporterContract):
        name = "bell"

What a reporter says is for the author's own tests to judge.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ftcore.events import Event, RunFailed, RunStarted
from ftcore.protocols import Reporter
from ftcore.specs import ReporterSpec
from ftcore.testing.runs import RunContract, events


class ReporterContract(RunContract):
    """Inherit, give the reporter's `name` and `settings`, and let pytest collect the rest.

    One that names an `integration` of transformers is asked only whether transformers has it.
    """

    kind = "reporters"

    @classmethod
    def spec(cls) -> ReporterSpec:
        spec = super().spec()
        assert isinstance(spec, ReporterSpec)
        return spec

    @classmethod
    def build(cls) -> Reporter:
        reporter = super().build()
        assert isinstance(reporter, Reporter)
        return reporter

    @pytest.fixture(scope="class")
    def heard(self, base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
        """All that a run of four steps announces, judged by the usual evaluators."""
        plan = self.plan(base_folder, tmp_path_factory.mktemp("run"), evaluators=None, evaluate={"every": 2})
        return events(plan, self.manager())

    def test_the_factory_builds_what_the_protocol_asks_for(self) -> None:
        if self.spec().integration is None:
            super().test_the_factory_builds_what_the_protocol_asks_for()

    def test_transformers_knows_the_integration(self) -> None:
        from transformers.integrations import get_reporting_integration_callbacks

        if name := self.spec().integration:
            get_reporting_integration_callbacks([name])

    def test_it_handles_every_event_of_a_run(self, request: pytest.FixtureRequest) -> None:
        if self.spec().integration is None:
            reporter = self.build()
            for event in request.getfixturevalue("heard"):
                reporter.handle(event)

    def test_it_handles_a_run_that_goes_on_after_a_stop(self, request: pytest.FixtureRequest) -> None:
        if self.spec().integration is None:
            reporter = self.build()
            for event in request.getfixturevalue("heard"):
                if isinstance(event, RunStarted):
                    event = replace(event, facts={**event.facts, "start_step": 2})
                reporter.handle(event)

    def test_it_handles_a_run_that_fails_before_it_begins(self) -> None:
        if self.spec().integration is None:
            self.build().handle(RunFailed(None, ValueError("no such model")))
