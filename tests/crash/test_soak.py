"""The soak (`python -m scripts.soak`), in small: that it looks, and that it sees what grows."""

from scripts.soak import Report, soak
from tests.crash.small import script


def test_a_short_soak_finds_nothing_and_replays_to_the_same_digest(folder, tmp_path):
    report = soak(tmp_path, lessons=60, answers=120, minutes=0.2, config=script(folder, every=20))
    assert report.lessons and report.answers and len(report.samples) > 3 and report.digests[0] == report.digests[1], str(report)
    assert "digest" in str(report)


def test_what_grows_is_named():
    grows = Report(samples=[(i, i, i * 2**23, 20 + i) for i in range(40)], digests=("a", "b"))
    assert [problem.split()[0] for problem in grows.problems()] == ["memory", "descriptors", "the"]
    unsteady = Report(samples=[(i, i, 2**28 + i * 2**20, 20) for i in range(40)], digests=("a", "a"))
    assert unsteady.problems() == [], "27 MiB more after so few lessons say nothing"
    flat = Report(samples=[(i, i, 2**28 + i * 1024, 20 + i % 3) for i in range(40)], digests=("a", "a"))
    assert flat.problems() == []
