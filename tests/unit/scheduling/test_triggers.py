from datetime import UTC, datetime, timedelta

import pytest

from flux.domain.schedule import OVERLAP_POLICIES, Schedule, ScheduleType, schedule_factory
from flux.scheduling.triggers import cron, from_dict, interval, once


def fires(schedule, start: str, count: int) -> list[str]:
    moment, found = datetime.fromisoformat(start), []
    for _ in range(count):
        moment = schedule.next_run_time(moment)
        if moment is None:
            break
        found.append(moment.strftime("%m-%d %H:%M"))
    return found


def test_cron_runs_on_the_wall_clock_of_its_zone():
    daily = cron("0 9 * * *", timezone="America/New_York")
    assert fires(daily, "2026-01-10T00:00Z", 1) == ["01-10 14:00"]
    assert fires(daily, "2026-07-10T00:00Z", 1) == ["07-10 13:00"]


def test_fixed_hour_fires_once_when_the_hour_comes_twice():
    # Berlin falls back on 2026-10-25 at 01:00Z: 02:30 comes at 00:30Z and at 01:30Z.
    assert fires(cron("30 2 * * *", "Europe/Berlin"), "2026-10-24T12:00Z", 2) == ["10-25 00:30", "10-26 01:30"]


def test_fixed_hour_in_a_gap_fires_at_the_first_instant_after_it():
    # Berlin springs forward on 2026-03-29 at 01:00Z: 02:00..03:00 does not exist.
    assert fires(cron("30 2 * * *", "Europe/Berlin"), "2026-03-28T12:00Z", 2) == ["03-29 01:00", "03-30 00:30"]


def test_wildcard_hours_fire_in_both_equal_hours_and_skip_the_gap():
    half_hourly = cron("*/30 * * * *", "Europe/Berlin")
    expected = ["10-25 00:00", "10-25 00:30", "10-25 01:00", "10-25 01:30", "10-25 02:00"]
    assert fires(half_hourly, "2026-10-24T23:45Z", 5) == expected
    assert fires(half_hourly, "2026-03-29T00:15Z", 3) == ["03-29 00:30", "03-29 01:00", "03-29 01:30"]


def test_alias_of_every_hour_counts_as_wildcard():
    assert fires(cron("@hourly", "Europe/Berlin"), "2026-10-24T23:45Z", 3) == [
        "10-25 00:00",
        "10-25 01:00",
        "10-25 02:00",
    ]


def test_half_hour_gap():
    # Lord Howe springs forward by half an hour on 2026-10-04 at 02:00 (+10:30), that is 15:30Z the day before.
    assert fires(cron("15 2 * * *", "Australia/Lord_Howe"), "2026-10-03T00:00Z", 1) == ["10-03 15:30"]


def test_a_date_that_never_comes_has_no_next_time():
    assert cron("0 0 30 2 *").next_run_time(datetime(2026, 1, 1, tzinfo=UTC)) is None


def test_interval_is_elapsed_time_from_its_start():
    every = interval(hours=1, start_time="2026-01-01T00:10:00+00:00", end_time="2026-01-01T03:00:00+00:00")
    assert fires(every, "2025-12-31T00:00Z", 9) == ["01-01 00:10", "01-01 01:10", "01-01 02:10"]
    assert interval(minutes=5).next_run_time(datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2026, 1, 1, 0, 5, tzinfo=UTC)


def test_once_fires_only_before_its_time_has_passed():
    moment = once("2026-03-01T09:00", timezone="Asia/Tokyo")
    assert fires(moment, "2026-02-01T00:00Z", 5) == ["03-01 00:00"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: cron("61 * * * *"), "cron expression"),
        (lambda: cron("0 9 * * *", timezone="Mars/Olympus"), "time zone"),
        (lambda: cron("0 9 * * *", overlap="maybe"), "overlap"),
        (lambda: interval(), "longer than zero"),
        (lambda: interval(seconds=1, catchup="some"), "catchup"),
        (lambda: once("tomorrow"), "not a time"),
        (lambda: from_dict({"type": "lunar"}), "not a type of schedule"),
    ],
)
def test_wrong_schedules_say_what_is_wrong(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    "schedule",
    [
        cron("0 9 * * *", "Asia/Tokyo", overlap="queue"),
        interval(seconds=90, start_time=datetime(2026, 1, 1, tzinfo=UTC)),
        once("2026-03-01T09:00:00+00:00", catchup="none"),
    ],
)
def test_plain_form_round_trips(schedule):
    assert from_dict(schedule.to_dict()).to_dict() == schedule.to_dict()


@pytest.mark.parametrize(
    ("schedule", "kind"),
    [
        (cron("0 9 * * *"), ScheduleType.CRON),
        (interval(seconds=90), ScheduleType.INTERVAL),
        (once("2026-03-01T09:00Z"), ScheduleType.ONCE),
    ],
)
def test_schedules_have_one_base_and_a_type(schedule, kind):
    assert isinstance(schedule, Schedule)
    assert schedule.type is kind
    assert schedule.to_dict()["type"] == str(kind)
    assert Schedule.from_dict(schedule.to_dict()) == schedule_factory(schedule.to_dict()) == schedule
    assert type(schedule).from_dict({**schedule.to_dict(), "overlap": "queue"}).overlap == "queue"
    assert set(OVERLAP_POLICIES) == {"skip", "allow", "queue"}


@pytest.mark.parametrize(
    ("moment", "tolerance", "runs"),
    [
        ("2026-01-02T09:00:00+00:00", 1, True),
        ("2026-01-02T09:00:00.900000", 1, True),
        ("2026-01-02T09:00:01.100000+00:00", 1, False),
        ("2026-01-02T09:00:01.100000+00:00", 60, True),
        ("2026-01-02T08:59:59+00:00", 1, False),
        ("2026-01-02T10:00:00+01:00", 1, True),
    ],
)
def test_whether_a_schedule_runs_at_a_moment(moment, tolerance, runs):
    at = datetime.fromisoformat(moment)
    assert cron("0 9 * * *").should_run(at, tolerance) is runs
    assert once("2026-01-02T09:00Z").should_run(at, tolerance) is runs


def test_dense_expression_near_a_change():
    base = datetime(2026, 10, 25, 1, 59, tzinfo=UTC)
    assert cron("* * * * *", "Europe/Berlin").next_run_time(base) == base + timedelta(minutes=1)
