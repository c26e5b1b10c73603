"""A class follows on its phones: a link shows a person's progress or a run, and takes one vote a browser.

Flow:  owner + progress | job --share--> key;  key --view--> FollowView;  key + voter + choice --vote--> count

The key is the permission: 128 random bits, for reading only. It opens words and figures, never a picture,
a file or a name, and it can change nothing but the vote of the browser that holds the number. What the
others said is told when the vote is closed, to the teacher's page too: it stands on the projector. Anyone who
shares can stop sharing. Loads no torch.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from headswap.app.service.lessons.lessons import Lessons
from headswap.app.service.lessons.progress import ID, CastVote, ClassVote, LearnerProgress, ProgressStore
from headswap.app.service.lessons.runs import LessonRunState
from headswap.app.service.views import JobView
from headswap.errors import BadSetting, NotFound
from headswap.evaluation.report import Report
from headswap.events import EpochEnd
from headswap.lessons.catalogue import find_lesson
from headswap.lessons.lesson import Lesson, LessonResult
from headswap.storage.files import make_folder, remove
from headswap.storage.records import read_record, write_record

MOST_VOTES = 300  # browsers in one vote
MOST_OF_AN_ADDRESS = (
    60  # of them behind one address: a class of 30 with two devices each, all behind one router
)

Kind = Literal["course", "job", "page"]
JobKind = Literal["job", "page"]


@dataclass(frozen=True, kw_only=True)
class ShareLink:
    """What a key opens."""

    key: str
    owner: str
    kind: Kind
    target: str  # id of the progress record, or of the job that is watched or whose web page is opened


@dataclass(frozen=True, kw_only=True)
class VoteView:
    """A vote in numbers."""

    is_open: bool
    total: int
    counts: tuple[int, ...] = ()  # for each choice; empty while the vote is open
    mine: int | None = None  # what this browser said


@dataclass(frozen=True, kw_only=True)
class FollowView:
    """What a phone sees. Of progress: lesson, vote, run, result. Of a run: sentence, epochs, report."""

    lesson: Lesson | None = None
    vote: VoteView | None = None
    run: LessonRunState = field(default_factory=LessonRunState)
    result: LessonResult | None = None
    state: str = ""  # of a job: queued, running, done, failed, cancelled, paused
    sentence: str = ""
    share: float = 0.0
    epochs: tuple[EpochEnd, ...] = ()
    summary: str = ""

    @property
    def is_moving(self) -> bool:
        """Whether it will soon look different."""
        voting = self.vote is not None and self.vote.is_open
        return voting or self.run.is_going or self.state in ("queued", "running")


class Sharing:
    """The links and votes of one installation."""

    def __init__(
        self,
        root: Path,
        progress_store: ProgressStore,
        lessons: Lessons,
        job: Callable[[str, str], JobView],
        report: Callable[[str, str], Report],
    ) -> None:
        """Keep links in `root`; `job` and `report` raise for anyone who does not own them."""
        self._root, self._progress_store, self._lessons = root, progress_store, lessons
        self._job, self._report = job, report
        self._lock = threading.Lock()  # around changes of a vote or a link
        self._salt = secrets.token_bytes(32)  # no address is kept, and no record tells which it was

    # For anyone who shares -------------------------------------------------------------

    def share(self, owner: str, progress: str) -> str:
        """The key by which a class follows; the same until it is taken back."""
        with self._lock:
            found = self._progress_store.get(owner, progress)
            if not found.key or self._link(found.key) is None:
                found = self._progress_store.save(replace(found, key=self._new(owner, "course", found.id)))
            return found.key

    def unshare(self, owner: str, progress: str) -> None:
        """Take the link back."""
        with self._lock:
            found = self._progress_store.get(owner, progress)
            if found.key:
                self._forget(found.key)
                self._progress_store.save(replace(found, key=""))

    def share_key(self, owner: str, progress: str) -> str:
        """The key, empty while it is not shared."""
        key = self._progress_store.get(owner, progress).key
        return key if key and self._link(key) else ""

    def share_job(self, owner: str, job: str, kind: JobKind = "job") -> str:
        """The key by which others follow one run or open its web page; the same until it is taken back."""
        found = self._job(owner, job)
        with self._lock:
            known = self._of_job(found.id, kind)
            return known.key if known else self._new(owner, kind, found.id)

    def job_share_key(self, owner: str, job: str, kind: JobKind = "job") -> str:
        """The key of a run, empty while it is not shared."""
        known = self._of_job(self._job(owner, job).id, kind)
        return known.key if known else ""

    def unshare_job(self, owner: str, job: str, kind: JobKind = "job") -> None:
        """Take the link of a run back."""
        known = self._of_job(self._job(owner, job).id, kind)
        if known:
            self._forget(known.key)

    def open_vote(self, owner: str, progress: str, lesson: str) -> VoteView:
        """Ask the class: phones that follow may answer, and change it until the vote is closed.

        Raises:
            BadSetting: the experiment was run already, so the answer is known.
        """
        what = find_lesson(lesson).lesson
        with self._lock:
            found = self._progress_store.get(owner, progress)
            if what.name in self._lessons.progress(owner, progress).done:
                raise BadSetting(
                    "This experiment was run already.", remedy="Ask before it is run, or start over."
                )
            vote = self._progress_store.vote(found, what.name) or ClassVote(lesson=what.name)
            return _counted(what, self._progress_store.save_vote(found, replace(vote, is_open=True)))

    def close_vote(self, owner: str, progress: str, lesson: str) -> VoteView | None:
        """No more answers; what was said stays."""
        what = find_lesson(lesson).lesson
        with self._lock:
            found = self._progress_store.get(owner, progress)
            vote = self._progress_store.vote(found, what.name)
            if vote is None:
                return None
            return _counted(what, self._progress_store.save_vote(found, replace(vote, is_open=False)))

    def votes(self, owner: str, progress: str, lesson: str) -> VoteView | None:
        """What the class said so far; None: it was not asked."""
        what = find_lesson(lesson).lesson
        found = self._progress_store.get(owner, progress)
        vote = self._progress_store.vote(found, what.name)
        return _counted(what, vote, is_over=self._is_known(found, what)) if vote else None

    # For anyone who has the key ----------------------------------------------------------

    def view(self, key: str, voter: str = "") -> FollowView:
        """What the key opens, as it is now.

        Raises:
            NotFound: there is no such key, or it was taken back, or what it opened is gone.
        """
        link = self._opened(key)
        if link.kind == "page":
            raise _nothing()
        try:
            if link.kind == "job":
                return self._job_view(link)
            return self._progress_view(self._progress_store.get(link.owner, link.target), voter)
        except NotFound as gone:
            raise _nothing() from gone

    def page_of(self, key: str) -> tuple[str, str]:
        """Owner and job whose web page the key opens.

        Raises:
            NotFound: there is no such key, or it was taken back, or the run is gone.
        """
        link = self._opened(key)
        if link.kind != "page" or not self._is_there(link):
            raise _nothing()
        return link.owner, link.target

    def vote(self, key: str, voter: str, choice: int, address: str = "") -> FollowView:
        """Say what will happen; a second time replaces the first.

        Args:
            key: of the link.
            voter: the number of the browser.
            choice: place in the choices of the experiment.
            address: that the browser has in the network; so many may vote from one.

        Raises:
            NotFound: there is no such key.
            BadSetting: no one asks now, there is no such choice, or there are too many votes.
        """
        link = self._opened(key)
        if link.kind != "course" or not ID.fullmatch(voter):
            raise _nothing()
        with self._lock:
            progress = self._progress_store.get(link.owner, link.target)
            lesson = self._at(progress)
            vote = self._progress_store.vote(progress, lesson.name)
            if vote is None or not vote.is_open or self._is_known(progress, lesson):
                raise BadSetting("The vote is closed.", remedy="Watch what happens.")
            if not 0 <= choice < len(lesson.choices):
                raise BadSetting("This answer was not counted.", remedy="Choose one of those offered.")
            before = next((one for one in vote.votes if one.who == voter), None)
            address_key = before.address_key if before else self._address_key(address)
            others = tuple(one for one in vote.votes if one is not before)
            from_address = sum(one.address_key == address_key for one in others)
            if before is None and (len(others) >= MOST_VOTES or from_address >= MOST_OF_AN_ADDRESS):
                raise BadSetting(
                    f"This answer was not counted: {len(others)} are in already.",
                    remedy="Say it aloud, or let the teacher open a new vote.",
                )
            mine = CastVote(voter, choice, address_key)
            self._progress_store.save_vote(progress, replace(vote, votes=(*others, mine)))
        return self.view(key, voter)

    def tidy(self) -> int:
        """Remove links to what is gone."""
        stale = [link for link in self._all() if not self._is_there(link)]
        for link in stale:
            self._forget(link.key)
        return len(stale)

    # ------------------------------------------------------------------------------

    def _job_view(self, link: ShareLink) -> FollowView:
        job = self._job(link.owner, link.target)
        summary = ""
        if job.state == "done":
            report = self._report(link.owner, link.target)
            low, high = (round(100 * end) for end in report.interval)
            summary = (
                f"{report.right} of {report.total} exam pictures right: {100 * report.accuracy:.0f} %, "
                f"probably between {low} and {high} %. Always saying the most frequent name would get "
                f"{100 * report.baseline_accuracy:.0f} %."
            )
        sentence = job.sentence if job.state != "failed" else "This run failed."
        return FollowView(
            state=job.state, sentence=sentence, share=job.share, epochs=job.epochs, summary=summary
        )

    def _progress_view(self, progress: LearnerProgress, voter: str) -> FollowView:
        seen = self._lessons.view(progress.owner, progress.id, self._at(progress).name)
        vote = self._progress_store.vote(progress, seen.lesson.name)
        is_over = seen.run.is_going or seen.result is not None
        return FollowView(
            lesson=seen.lesson,
            vote=_counted(seen.lesson, vote, is_over=is_over, voter=voter) if vote else None,
            run=seen.run,
            result=None if seen.run.is_going else seen.result,
        )

    def _is_known(self, progress: LearnerProgress, lesson: Lesson) -> bool:
        """Whether the experiment runs or was run: its answer is no guess any more."""
        seen = self._lessons.view(progress.owner, progress.id, lesson.name)
        return seen.run.is_going or seen.result is not None

    def _address_key(self, address: str) -> str:
        return hashlib.blake2b(address.encode(), key=self._salt, digest_size=16).hexdigest()

    def _at(self, progress: LearnerProgress) -> Lesson:
        return find_lesson(self._lessons.progress(progress.owner, progress.id).at).lesson

    def _opened(self, key: str) -> ShareLink:
        link = self._link(key)
        if link is None:
            raise _nothing()
        return link

    def _new(self, owner: str, kind: Kind, target: str) -> str:
        link = ShareLink(key=secrets.token_hex(16), owner=owner, kind=kind, target=target)
        make_folder(self._root)
        write_record(self._root / f"{link.key}.json", link)
        return link.key

    def _link(self, key: str) -> ShareLink | None:
        path = self._root / f"{key}.json"
        if not ID.fullmatch(key) or not path.is_file():
            return None
        found: ShareLink = read_record(ShareLink, path)
        return found

    def _all(self) -> list[ShareLink]:
        found = [self._link(path.stem) for path in self._root.glob("*.json")]
        return [link for link in found if link is not None]

    def _is_there(self, link: ShareLink) -> bool:
        """Without counting as a look, which would keep it for ever."""
        if link.kind == "course":
            return self._progress_store.folder(link.target).is_dir()
        with suppress(NotFound):
            self._job(link.owner, link.target)
            return True
        return False

    def _of_job(self, job: str, kind: JobKind) -> ShareLink | None:
        return next((link for link in self._all() if (link.kind, link.target) == (kind, job)), None)

    def _forget(self, key: str) -> None:
        for name in (f"{key}.json", f"{key}.json.before"):
            remove(self._root / name)


def _counted(lesson: Lesson, vote: ClassVote, *, is_over: bool = False, voter: str = "") -> VoteView:
    """The vote as it may be told: what was said so far would lead those who come later."""
    said = Counter(one.choice for one in vote.votes)
    mine = next((one.choice for one in vote.votes if voter and one.who == voter), None)
    is_open = vote.is_open and not is_over
    counts = () if is_open else tuple(said[index] for index in range(len(lesson.choices)))
    return VoteView(is_open=is_open, total=len(vote.votes), counts=counts, mine=mine)


def _nothing() -> NotFound:
    return NotFound("There is nothing to follow here.", remedy="Ask for the link again.")
