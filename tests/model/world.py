"""A world: a portal, the server over it, the clock of both, and the judge of all answers.

Every change of the portal is followed by more than a minute, so that the minute that an answer prints as its age tells
whether the answer is older than the change.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mcp_truto_lms.sandbox.variations import Variations
from tests.conftest import LIST, SUMMARIZE
from tests.model.answer_reader import ReadAnswer
from tests.model.comparison import Comparison, Disagreement, Tally
from tests.model.portal_model import PortalModel
from tests.model.questions import Question
from tests.model.served_portal import PROVIDERS, ServedPortal
from tests.model.server_process import ServerProcess
from tests.model.virtual_time import FIRST_MOMENT, VirtualTime

AFTER_A_CHANGE_SECONDS = 61
NewStore = Callable[[], str]
"""Makes the address of an empty store."""
EVERYTHING = Question(SUMMARIZE, {}, {})


@dataclass(frozen=True, slots=True)
class Size:
    """How large a portal is, and how many calls a question may make."""

    people: int
    courses: int
    call_budget: int


@dataclass(slots=True)
class World:
    """One portal and everything around it; close it at the end."""

    provider: str
    store: str
    size: Size
    seed: int
    tally: Tally
    failures_have_dates: bool = False
    log: list[str] = field(default_factory=list)
    time: VirtualTime = field(init=False)
    model: PortalModel = field(init=False)
    portal: ServedPortal = field(init=False)
    comparison: Comparison = field(init=False)
    _process: ServerProcess = field(init=False)

    def __post_init__(self) -> None:
        self.time = VirtualTime()
        provider = PROVIDERS[self.provider]
        self.model = PortalModel.generate(
            self.seed,
            people=self.size.people,
            courses=self.size.courses,
            now=FIRST_MOMENT,
            one_end=not provider.tells_ends,
        )
        variations = Variations(failed_sets_completed_on=self.failures_have_dates)
        self.portal = ServedPortal(self.model, self.time, provider, variations, self.note)
        self.comparison = Comparison(self.model, self.tally)
        self._process = ServerProcess(self.portal, self.time, self.store, self.size.call_budget)
        self._process.start()

    def close(self) -> None:
        """End the process and the time."""
        self.tally.add("requests", self.portal.requests)
        self.tally.add("faults", self.portal.injected)
        self._process.end()
        self.time.close()

    def restart(self) -> None:
        """Start another process over the same store; one in memory begins empty."""
        self.note("restart")
        self._process.end()
        self._process.start()
        self.tally.add("restarts")

    def note(self, event: str) -> None:
        """Log what happened, for a reader of a disagreement."""
        self.log.append(f"{self.time.wall():%m-%d %H:%M:%S} {event}")

    def story(self) -> str:
        """Tell what happened last."""
        return "\n".join(self.log[-30:])

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._process.wait(seconds)

    def change(self, what: str, *, courses: bool = False) -> None:
        """Serve what the model has become."""
        self.note(what)
        self.model.changed(self.time.epoch(), courses=courses)
        self.wait(AFTER_A_CHANGE_SECONDS)
        self.tally.add("changes")

    def ask(self, question: Question) -> ReadAnswer | None:
        """Ask, and judge the answer with all its pages; None where it is an error.

        Raises:
            Disagreement: the answer is not true of the portal, with the story of how it came about.
        """
        try:
            return self._ask(question)
        except Disagreement as disagreement:
            raise Disagreement(f"{disagreement}\n{self.story()}") from None

    def _ask(self, question: Question) -> ReadAnswer | None:
        began_at = self.time.epoch()
        may_fail = self.portal.has_faults
        text, is_error = self._process.ask(question.tool, dict(question.arguments))
        self.tally.add("questions")
        self.note(f"{question}: {text.partition(chr(10))[0][:200]}")
        if is_error:
            self.tally.add("refused questions")
            may_fail = may_fail or self._may_not_know(text)
            if not may_fail:
                raise Disagreement(f"{question}\nrefused without a fault: {text}")
            return None
        moments = began_at, self.time.epoch()
        answer = self.comparison.judge(question, text, moments)
        if question.tool == LIST and answer.cursor is not None:
            self._turn_pages(question, answer, moments)
        return answer

    def _may_not_know(self, text: str) -> bool:
        """Tell whether a name or a value may be unknown, because the portal changed after the list of names."""
        return text.startswith(("No learner", "No course", "where: ", "group_by: nobody has")) or "not offer" in text

    def _turn_pages(self, question: Question, answer: ReadAnswer, moments: tuple[float, float]) -> None:
        """Read all pages; together they have every row once, and one total."""
        seen, pages = self._ids(answer), [answer]
        while (cursor := pages[-1].cursor) is not None:
            text, is_error = self._process.ask(LIST, {"cursor": cursor})
            if is_error:
                if "changed" in text:
                    return
                raise Disagreement(f"{question}\npage {len(pages) + 1}: {text}")
            following = Question(LIST, {**question.arguments, "cursor": len(pages)}, question.asked)
            page = self.comparison.judge(following, text, moments)
            if page.total != answer.total:
                raise Disagreement(f"{question}\npage {len(pages) + 1} has another total\n{answer.text}\n---\n{text}")
            pages.append(page)
            seen += self._ids(page)
            self.tally.add("pages")
        if len(seen) != len({*seen}):
            raise Disagreement(f"{question}\na row is on two pages: {seen}")
        shown = sum(page.shown or 0 for page in pages)
        if answer.complete and shown != answer.total.low:
            raise Disagreement(f"{question}\n{shown} rows on {len(pages)} pages\n{answer.text}")

    def _ids(self, answer: ReadAnswer) -> list[str]:
        table = answer.table("id")
        return [] if table is None else [row[0] for row in table[1]]

    def becomes_known(self) -> None:
        """After the faults and a day of quiet, everything is known and true."""
        self.note("repaired, to become known")
        self.portal.clear_faults()
        answer = self.ask(EVERYTHING.fresh())
        for _ in range(12):
            if answer is not None and answer.complete and answer.as_of > self.model.changed_at:
                self.tally.add("portals wholly known")
                return
            self.wait(3 * 3600)
            answer = self.ask(EVERYTHING)
        raise Disagreement(f"not known after 36 hours without a change:\n{answer and answer.text}")


def temporary_file(folder: Path) -> str:
    """Return the path of a new store."""
    return str(Path(tempfile.mkdtemp(dir=folder)) / "store.db")
