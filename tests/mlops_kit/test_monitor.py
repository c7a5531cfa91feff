"""A service's request log becomes alerts, a page, gauges and an exit code."""

import gzip
import json
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mlops_kit import cli, drift, worlds
from mlops_kit import monitor as monitoring
from mlops_kit.errors import DataError

EVENTS = tuple(event for event in worlds.RIDES_EVENTS if event.name == "unit_change")
COLUMNS = ["zone", "distance_km", "wait_min", "raining", "surge"]


def answer(trip):
    """What a model would say: the chance of a cancellation."""
    chance = 1 / (1 + np.exp(-(-2.75 + 0.16 * trip.wait_min + (trip.surge - 1))))
    return round(float(chance), 4)


def entries(trips, *, version="1", start=0):
    """The lines of a log, as the service writes them."""
    return [
        {
            "time": f"{trip.pickup_time.isoformat()}.000000Z",
            "request_id": f"r{start + number}",
            "model": "rides",
            "version": version,
            "status": 200,
            "latency_ms": 4.0 + number % 7,
            "row_number": 0,
            "row": {name: getattr(trip, name) for name in COLUMNS},
            "prediction": answer(trip),
        }
        for number, trip in enumerate(trips.itertuples(index=False))
    ]


def write(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trips():
    """Twelve days in autumn; in the last four distances arrive in miles."""
    return worlds.rides_trips(12, first_day=262, trips_per_day=250, seed=3, events=EVENTS)


@pytest.fixture(scope="module")
def reference():
    frame = worlds.rides_trips(60, first_day=200, trips_per_day=250, seed=3, events=())
    frame["prediction"] = [answer(trip) for trip in frame.itertuples(index=False)]
    return drift.profile(
        frame[["pickup_time", *COLUMNS, "prediction"]],
        time="pickup_time",
        season=("weekend",),
        slices=("zone",),
        predictions=("prediction",),
    )


@pytest.fixture(scope="module")
def log(trips, tmp_path_factory):
    return write(tmp_path_factory.mktemp("log") / "requests.jsonl", entries(trips))


@pytest.fixture(scope="module")
def found(log, reference):
    return monitoring.monitor(log, reference, chances=True)


def test_an_alert_says_what_moved_by_how_much_since_when_where_and_what_to_do(found):
    """One alert for the one thing that happened, dated to its first day."""
    first = str((worlds.RIDES_START + pd.Timedelta(days=270)).date())
    assert [(a.name, a.column, a.since) for a in found.open] == [("drift", "distance_km", first)]
    [alert] = found.open
    assert "median" in alert.text
    assert alert.where == "in every zone"
    assert "source of distance_km" in alert.advice
    assert not found.ok


def test_a_quiet_log_needs_nobody(trips, reference, tmp_path):
    """The days before it happened raise nothing."""
    quiet = trips[trips["pickup_time"] < worlds.RIDES_START + pd.Timedelta(days=270)]
    report = monitoring.monitor(write(tmp_path / "log", entries(quiet)), reference)
    assert report.ok
    assert report.alerts == ()


def test_the_log_read_in_pieces_is_the_log_read_whole(
    trips, found, reference, tmp_path, monkeypatch
):
    """Parts in any order, one packed, and pieces of a hundred rows: the same findings."""
    lines = entries(trips)
    first = write(tmp_path / "a.jsonl", lines[1500:])
    second = tmp_path / "b.jsonl.gz"
    with gzip.open(second, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines[:1500])
    monkeypatch.setattr("mlops_kit.monitor_log._AT_ONCE", 100)
    again = monitoring.monitor([first, second], reference, chances=True)
    wanted, got = found.to_dict(), again.to_dict()
    assert got.pop("log") != wanted.pop("log")
    assert got["alerts"] == wanted["alerts"]
    assert got["health"] == wanted["health"]
    for name, trail in wanted["trail"].items():
        assert got["trail"][name] == pytest.approx(trail)


def test_health_counts_requests_not_rows(reference, trips, tmp_path):
    """Two rows of a request are one; refused and failed ones are told apart."""
    lines = entries(trips.iloc[:40])
    lines[1] |= {"request_id": lines[0]["request_id"], "row_number": 1}
    base = {"time": lines[5]["time"], "model": "rides", "version": "1", "latency_ms": 1.0}
    lost = base | {"row_number": None, "row": None, "prediction": None}
    lines += [lost | {"request_id": f"x{n}", "status": 422, "problems": []} for n in range(3)]
    lines += [lost | {"request_id": f"y{n}", "status": 500, "error": "it broke"} for n in range(2)]
    report = monitoring.monitor(write(tmp_path / "log", lines), reference)
    health = report.health[0]
    assert (health.rows, health.requests, health.refused, health.failed) == (40, 44, 3, 2)
    latencies = [line["latency_ms"] for at, line in enumerate(lines) if at != 1]
    assert health.p99_ms == pytest.approx(np.quantile(latencies, 0.99))
    names = {alert.name for alert in report.open}
    assert {"failed requests", "refused requests"} <= names


def test_limits_of_latency_and_silence_are_kept_by_alerts(log, reference):
    """The latency since its first period, the silence since the last line."""
    limits = monitoring.Limits(p99_ms=5, silence_hours=6)
    report = monitoring.monitor(log, reference, limits=limits, now="2027-01-01")
    by_name = {alert.name: alert for alert in report.open}
    assert by_name["latency"].since == report.health[0].period
    assert "no line for" in by_name["silence"].text


def test_lines_that_are_no_entries_are_counted_and_passed_over(trips, found, reference, tmp_path):
    """Torn, foreign, of the wrong types: the rest is judged as ever; many are an alert."""
    broken = ['{"time": "2025-10-0', "null", "[1]", '{"time": 7}', '{"time": "never"}', "\x00",
              '{"time": "2025-09-27T00:00:00Z", "row": [1], "row_number": 0}',
              '{"time": "2025-09-27T00:00:00Z", "row": {}, "row_number": "one"}']  # fmt: skip
    path = write(tmp_path / "log", entries(trips))
    path.write_text("\n".join([*broken, path.read_text()]))
    report = monitoring.monitor(path, reference)
    assert report.skipped == len(broken)
    assert [alert.name for alert in report.open] == [alert.name for alert in found.open]
    path.write_text("\n".join([*broken * 10, path.read_text()]))
    assert "unreadable log" in {a.name for a in monitoring.monitor(path, reference).open}


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "can't be read"), ("", "holds no lines"), ("hello\n", "1 lines that are no log")],
)
def test_a_log_with_nothing_in_it_is_refused(reference, tmp_path, content, said):
    """With what was found and what to do."""
    path = tmp_path / "log"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=said):
        monitoring.monitor(path, reference)


def test_a_gap_in_the_log_is_an_alert(trips, reference, tmp_path):
    """Days without a line are there, and empty."""
    day = trips["pickup_time"].dt.floor("D")
    kept = trips[~day.isin(sorted(day.unique())[3:5])]
    report = monitoring.monitor(write(tmp_path / "log", entries(kept)), reference)
    assert len(report.health) == 12
    assert "empty" in {alert.name for alert in report.alerts}


def test_labels_that_arrive_show_a_change_of_the_relation(trips, reference, tmp_path):
    """The inputs are as ever; the error isn't; the alert says since when."""
    lines = entries(trips)
    rng = np.random.default_rng(2)
    said = np.array([line["prediction"] for line in lines])
    late = np.arange(len(lines)) >= 1800
    labels = pd.DataFrame(
        {
            "request_id": [line["request_id"] for line in lines],
            "label": np.where(late, rng.random(len(lines)) < 0.6, rng.random(len(lines)) < said),
            "time": trips["pickup_time"] + pd.Timedelta(days=1),
        }
    )
    labels.loc[len(labels)] = ["unknown", True, pd.NaT]
    path = tmp_path / "labels.csv"
    labels.to_csv(path, index=False)
    report = monitoring.monitor(write(tmp_path / "log", lines), reference, labels=path)
    truth = labels["label"].astype(float).to_numpy()[:-1]
    assert report.error.rows == len(lines)
    assert report.error.unknown == 1
    assert report.error.error == pytest.approx(np.abs(said - truth).mean())
    [alert] = [alert for alert in report.open if alert.name == "concept drift"]
    wanted = labels["time"][1800]
    assert wanted.normalize() <= pd.Timestamp(alert.since) <= wanted + pd.Timedelta(days=2)


def test_accuracy_is_estimated_before_labels_arrive(found, trips):
    """Of the last period, with the assumption."""
    last = trips[trips["pickup_time"].dt.floor("D") == trips["pickup_time"].max().floor("D")]
    said = np.array([answer(trip) for trip in last.itertuples(index=False)])
    assert found.estimate.accuracy == pytest.approx(np.maximum(said, 1 - said).mean())
    assert "relation itself" in found.estimate.assumption


class Tags(HTMLParser):
    """Which tags a page has, and what its links and pictures point at."""

    def __init__(self):
        super().__init__()
        self.names, self.sources, self.words = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.sources += [value for key, value in attrs if key in ("src", "href")]

    def handle_data(self, data):
        self.words += data


def test_the_page_stands_alone_and_escapes_what_it_shows(found, tmp_path):
    """No script, no address; each figure with words; names from the log can't become markup."""
    page = Tags()
    text = monitoring.write_page(found, tmp_path / "page.html").read_text("utf-8")
    page.feed(text)
    assert page.names.count("img") == text.count("alt='") >= 3
    assert all(source.startswith("data:image/png") for source in page.sources)
    assert "script" not in page.names
    for wanted in ("1 alert open", "distance_km", "in every zone", "rides 1 since", "estimated at"):
        assert wanted in page.words
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_names_cannot_become_markup(tmp_path):
    """A column and a category called like a tag are shown as text."""
    name = "<script>x</script>"
    frame = pd.DataFrame({name: ["a", "<b>"] * 200})
    rows = [
        {"time": f"2026-01-0{1 + at % 3}T00:00:00Z", "request_id": str(at), "model": name,
         "version": "1", "status": 200, "latency_ms": 1, "row_number": 0, "row": {name: "<i>"},
         "prediction": [1, 2]}
        for at in range(300)
    ]  # fmt: skip
    path = tmp_path / "log"
    path.write_text("\n".join(map(json.dumps, rows)))
    report = monitoring.monitor(path, drift.profile(frame))
    page = Tags()
    page.feed(monitoring.write_page(report, tmp_path / "page.html").read_text("utf-8"))
    assert not {"script", "b>", "i"} & set(page.names)
    assert name in page.words


def test_gauges_are_what_prometheus_reads(found, tmp_path):
    """Its own parser gives back the numbers of the report."""
    path = monitoring.write_gauges(found, tmp_path / "rides.prom")
    samples = {
        (sample.name, sample.labels.get("column")): sample.value
        for family in text_string_to_metric_families(path.read_text("utf-8"))
        for sample in family.samples
    }
    assert samples["mlops_monitor_ok", None] == 0
    assert samples["mlops_monitor_alert_open", "distance_km"] == 1
    column = found.latest["distance_km"]
    assert samples["mlops_monitor_column_psi", "distance_km"] == pytest.approx(column.psi)
    assert samples["mlops_monitor_rows", None] == found.health[-1].rows


def kit(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["mlops-kit", *map(str, words)])
    code = 0
    try:
        cli.main()
    except SystemExit as stop:
        code = stop.code or 0
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return code, printed.out, " ".join(printed.err.split())


def test_the_command_makes_a_reference_and_judges(trips, tmp_path, monkeypatch, capsys):
    """From the log's own first days; exit code 0 while quiet, 3 once something is open."""
    usual = worlds.rides_trips(40, first_day=222, trips_per_day=250, seed=3, events=())
    good = write(tmp_path / "good.jsonl", entries(usual))
    bad = write(tmp_path / "bad.jsonl", entries(trips, version="2"))
    profile = tmp_path / "reference.json"
    code, _, err = kit(monkeypatch, capsys, "reference", good, "--out", profile, "--slices", "zone")
    assert (code, "40 days in" in err) == (0, True)
    code, _, err = kit(monkeypatch, capsys, "monitor", good, "--reference", profile)
    assert (code, "nothing needs you" in err) == (0, True)
    outputs = ["--page", tmp_path / "p.html", "--gauges", tmp_path / "g.prom", "--json"]
    code, out, _ = kit(monkeypatch, capsys, "monitor", bad, "--reference", profile, *outputs)
    assert code == 3
    made = json.loads(out)
    assert (made["version"], made["ok"]) == (1, False)
    assert "distance_km" in {alert["column"] for alert in made["alerts"] if not alert["closed"]}
    assert (tmp_path / "p.html").is_file()
    assert (tmp_path / "g.prom").is_file()


@pytest.mark.whole_way
def test_the_command_can_ask_evidently_for_its_report(trips, tmp_path, monkeypatch, capsys):
    """Beside the page; for a person, not for the verdict."""
    log = write(tmp_path / "log.jsonl", entries(trips.iloc[:400]))
    table = tmp_path / "reference.csv"
    trips[COLUMNS].to_csv(table, index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kit(monkeypatch, capsys, "reference", table, "--out", tmp_path / "r.json")
        kit(monkeypatch, capsys, "monitor", log, "--reference", tmp_path / "r.json",
            "--page", tmp_path / "p.html", "--evidently", table)  # fmt: skip
    page = (tmp_path / "p.evidently.html").read_text("utf-8")
    assert "DOCTYPE html" in page
    assert len(page) > 1_000_000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("monitor", "absent.jsonl"), "there is no reference profile"),
        (("reference", "absent.csv"), "absent.csv can't be read"),
        (("reference", "absent.jsonl"), "request log absent.jsonl can't be read"),
    ],
)
def test_what_cannot_be_read_is_one_message(tmp_path, monkeypatch, capsys, words, said):
    """Exit code 1, unlike an alert's 3."""
    monkeypatch.chdir(tmp_path)
    code, _, err = kit(monkeypatch, capsys, *words)
    assert code == 1
    assert said in err
    assert list(Path().iterdir()) == []


def test_a_clock_that_went_astray_is_told_and_not_waited_for(tmp_path, trips, reference):
    """Lines years away from the others would make as many empty days as lie between."""
    lines = entries(trips)
    plain = monitoring.monitor(write(tmp_path / "plain.jsonl", lines), reference)
    for number, moment in enumerate(["0001-01-01", "1970-01-01", "9999-12-31"]):
        lines.insert(7 * number, lines[0] | {"time": f"{moment}T00:00:00Z", "request_id": "x"})
    report = monitoring.monitor(write(tmp_path / "log.jsonl", lines), reference)
    assert len(report.health) == len(plain.health) == 12
    [alert] = [alert for alert in report.open if alert.name == "clock"]
    assert "3 of" in alert.text
    assert {a.name for a in report.open} - {a.name for a in plain.open} == {"clock"}
    assert report.lines == plain.lines + 3


def test_a_reference_of_nothing_says_what_was_wanted(tmp_path):
    """A log without answers, a file that is no log, a folder."""
    (tmp_path / "model.joblib").write_bytes(b"\x80\x04")
    for path in (write(tmp_path / "log.jsonl", []), tmp_path / "model.joblib"):
        with pytest.raises(DataError, match="no answered rows"):
            monitoring.read_log(path)
    with pytest.raises(DataError, match="can't be read"):
        drift.load(tmp_path)
