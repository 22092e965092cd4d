"""Rules of ``DutyRecords``: one at a time, and another one once that one has ended."""

from __future__ import annotations

from functools import partial

from glance.interfaces import Registry
from glance.testing.registry_rules.scene import Advance, Scene, at_once
from glance.testing.registry_rules.uploads import LEASE


class DutyRules(Scene):
    def test_take_when_nobody_has_the_duty_gives_it(self, registry: Registry) -> None:
        assert registry.duties.take("sweeping", "first") == "first"
        assert registry.duties.take("sweeping", "second") == "first"
        assert registry.duties.take("cooking", "second") == "second"

    def test_take_when_repeated_prolongs_the_lease(self, registry: Registry, advance: Advance) -> None:
        registry.duties.take("sweeping", "first")
        advance(LEASE - 1)
        assert registry.duties.take("sweeping", "first") == "first"
        advance(LEASE - 1)
        assert registry.duties.take("sweeping", "second") == "first"

    def test_take_when_the_lease_has_run_out_gives_the_duty_to_whoever_asks(self, registry: Registry, advance: Advance) -> None:
        registry.duties.take("sweeping", "first")
        advance(LEASE)
        assert registry.duties.take("sweeping", "second") == "second"
        assert registry.duties.take("sweeping", "first") == "second"

    def test_take_instead_of_one_that_has_ended_gives_the_duty(self, registry: Registry) -> None:
        registry.duties.take("sweeping", "first")
        assert registry.duties.take("sweeping", "second", "another") == "first"
        assert registry.duties.take("sweeping", "second", "first") == "second"
        assert registry.duties.take("sweeping", "third", "first") == "second"

    def test_take_when_several_want_it_at_once_lets_one_win(self, registry: Registry) -> None:
        for number in range(5):
            workers = [f"{number} {name}" for name in ("first", "second", "third")]
            answers = at_once(*[partial(registry.duties.take, f"duty {number}", worker) for worker in workers])
            assert len(set(answers)) == 1
            assert answers[0] in workers

    def test_take_when_several_succeed_one_at_once_lets_one_win(self, registry: Registry) -> None:
        registry.duties.take("sweeping", "dead")
        workers = ["first", "second", "third"]
        answers = at_once(*[partial(registry.duties.take, "sweeping", worker, "dead") for worker in workers])
        assert len(set(answers)) == 1
        assert answers[0] in workers
