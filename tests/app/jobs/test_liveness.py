from __future__ import annotations

from headswap.app.jobs.liveness import LivenessMonitor


def test_stillness_is_measured_by_the_observers_clock() -> None:
    now = [100.0]
    pulse = LivenessMonitor(clock=lambda: now[0])

    first = pulse.still_for_s("lease", 1)
    now[0] += 5
    same = pulse.still_for_s("lease", 1)
    now[0] += 5
    changed = pulse.still_for_s("lease", 2)

    assert (first, same, changed) == (0, 5, 0)


def test_a_new_observer_is_patient_once_more() -> None:
    assert LivenessMonitor(clock=lambda: 1e9).still_for_s("lease", 7) == 0


def test_what_is_no_longer_watched_is_forgotten() -> None:
    now = [0.0]
    pulse = LivenessMonitor(clock=lambda: now[0])
    pulse.still_for_s("old", 1)
    pulse.still_for_s("kept", 1)

    pulse.keep_only({"kept"})
    now[0] = 9

    assert (pulse.still_for_s("old", 1), pulse.still_for_s("kept", 1)) == (0, 9)
