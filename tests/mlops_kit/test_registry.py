"""The register: lineage, promotion through a gate only, rollback, a trail that holds."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from mlops_kit import registry, registry_versions, tracking
from mlops_kit import registry_trail as trail
from mlops_kit.errors import RegistryError, TrackingError
from mlops_kit.gates import Gate, GateReport, Rule, Subject


def rows(seed: int = 1, count: int = 200) -> pd.DataFrame:
    x = np.random.default_rng(seed).normal(0, 1, count)
    return pd.DataFrame({"x": x, "y": 2 * x + 1})


def train(data, *, seed, shift):
    """A line that is off by ``shift``."""
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(data[["x"]], data["y"] + shift)
    return {"mae": float(abs(model.predict(data[["x"]]) - data["y"]).mean())}, model


GATE = Gate("lines", "regression", "y", (
    Rule("mae", at_most=5.0), Rule("mae", gain_at_least=0.0, name="beats the champion"),
))  # fmt: skip


def registered(shift: float, name: str = "line") -> registry.Version:
    run = tracking.record(train, data=rows(), seed=1, params={"shift": shift}, name=f"off {shift}")
    return registry.register(run, name, why=f"off by {shift}", who="ana")


def promoted(version: registry.Version) -> registry.Version:
    report = registry.judge(version.name, version.version, GATE, rows(2))
    return registry.promote(version.name, version.version, report, why="better", who="ana")


class Three:
    """A store with three versions, made once and put back for each test.

    Its database's content is put back, not its file, which MLflow keeps open.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._copy = folder / "workspace", folder / "copy"
        tracking.start(self._folder, experiment="tests")
        self.versions = registered_three()
        shutil.copytree(self._folder, self._copy)

    def put_back(self) -> tracking.Store:
        for path in self._folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif not path.name.startswith("mlflow.db"):
                path.unlink()
        left_out = shutil.ignore_patterns("mlflow.db*")
        shutil.copytree(self._copy, self._folder, dirs_exist_ok=True, ignore=left_out)
        places = (self._copy / "mlflow.db", self._folder / "mlflow.db")
        with closing(sqlite3.connect(places[0])) as made, closing(sqlite3.connect(places[1])) as db:
            made.backup(db)
        return tracking.start(self._folder, experiment="tests")


def registered_three() -> list[registry.Version]:
    return [registered(shift) for shift in (2.0, 1.0, 0.5)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Three:
    return Three(tmp_path_factory.mktemp("three"))


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> tracking.Store:
    """The store that the three versions are in, or an empty one."""
    if "three" in request.fixturenames:
        store: tracking.Store = request.getfixturevalue("made").put_back()
        return store
    return tracking.start(tmp_path / "workspace", experiment="tests")


@pytest.fixture
def three(store: tracking.Store, made: Three) -> list[registry.Version]:
    """Three versions, each better than the one before; none promoted."""
    return made.versions


def champion() -> int | None:
    try:
        return registry.get("line").version
    except RegistryError:
        return None


def test_a_version_carries_its_lineage(store: tracking.Store) -> None:
    """Data, code, environment and seed, and what its files are; registering twice is once."""
    run = tracking.record(train, data=rows(), seed=4, params={"shift": 1.0})
    version = registry.register(run, "line", why="first", who="ana")
    assert (version.version, version.run_id, version.aliases) == (1, run.run_id, ())
    assert version.lineage == run.lineage
    assert version.lineage.data_hash == tracking.content_hash(rows())
    assert len(version.model_hash) == 64
    assert registry.register(run.run_id, "line") == version
    assert list(registry.history("line")["what"]) == ["registered"]
    table = registry.versions("line")
    assert table.loc[0, "data_hash"] == version.lineage.data_hash
    assert mlflow.MlflowClient(store.uri).get_model_version("line", "1").run_id == run.run_id


def test_a_model_from_someones_notebook_gets_a_run_of_its_own(
    store: tracking.Store, tmp_path: Path
) -> None:
    """With the text or file of the code that made it."""
    source = tmp_path / "notebook.py"
    source.write_text("model = LinearRegression().fit(frame[['x']], frame['y'])\n")
    model = LinearRegression().fit(rows()[["x"]], rows()["y"])
    version = registry.register(model, "theirs", data=rows(), code=source, metrics={"mae": 0.0})
    origin = registry.trace({"model": "theirs", "version": 1})
    assert origin.code == source.read_text()
    assert origin.run.metrics == {"mae": 0.0}
    assert version.lineage.data_hash == tracking.content_hash(rows())
    assert registry.load("theirs", 1).predict(rows()[["x"]]) == pytest.approx(rows()["y"])


def test_a_model_without_lineage_is_refused(store: tracking.Store) -> None:
    """What can't be traced isn't registered, and no model is made for it."""
    model = LinearRegression().fit(rows()[["x"]], rows()["y"])
    with pytest.raises(RegistryError, match="needs data="):
        registry.register(model, "line", data=rows())
    with tracking.run("bare") as run:
        run.log_model(model, example=rows()[["x"]])
    with pytest.raises(RegistryError, match="which data and code it was made"):
        registry.register(run.run_id, "line")
    with tracking.run("no model", code=train, data=rows()) as run:
        run.log_metric("mae", 1.0)
    with pytest.raises(RegistryError, match="logged 0 models"):
        registry.register(run.run_id, "line")
    with pytest.raises(RegistryError, match="can't be used"):
        registry.register(run.run_id, "../line")
    with pytest.raises(RegistryError, match="got dict"):
        registry.register({}, "line")
    with pytest.raises(TrackingError, match="there is no run"):
        registry.register("0" * 32, "line")
    with pytest.raises(
        RegistryError, match="there is no model 'line' in the registry; there: none"
    ):
        registry.versions("line")


def test_promotion_goes_through_the_gate(three: list[registry.Version]) -> None:
    """The first needs its bounds alone, the next must beat the champion."""
    assert promoted(three[0]).aliases == ("champion",)
    registry.nominate("line", 2, why="looks better", who="bo")
    assert registry.get("line", "challenger").version == 2
    assert promoted(three[1]).version == champion() == 2
    with pytest.raises(RegistryError, match="has no challenger"):
        registry.get("line", "challenger")
    whats = list(registry.history("line")["what"])
    assert whats[3:] == ["promoting", "promoted", "nominated", "promoting", "promoted"]
    assert registry.check("line").ok


def test_a_withdrawn_challenger_is_none_any_more(three: list[registry.Version]) -> None:
    """The champion stays, and the trail says who gave up on which version, and why."""
    promoted(three[0])
    registry.nominate("line", 2)
    assert registry.withdraw("line", why="the canary failed", who="bo").aliases == ()
    with pytest.raises(RegistryError, match="has no challenger"):
        registry.withdraw("line", why="again")
    last = registry.history("line").iloc[-1]
    assert list(last[["who", "what", "version", "why"]]) == [
        "bo", "withdrawn", 2, "the canary failed",
    ]  # fmt: skip
    assert champion() == 1 and registry.check("line").ok


def test_a_worse_model_is_refused_by_the_rule_it_broke(three: list[registry.Version]) -> None:
    """And the champion stays."""
    promoted(three[1])
    with pytest.raises(RegistryError, match=r"(?s)rule 'beats the champion'.*as it was: version 2"):
        promoted(three[0])
    assert champion() == 2
    assert list(registry.history("line")["what"])[-1] == "promoted"


def swapped(report: GateReport, **changed: object) -> GateReport:
    return GateReport(**{key: changed.get(key, getattr(report, key))
                         for key in GateReport.__dataclass_fields__})  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"challenger": None}, "about no registered version"),
        ({"challenger": Subject("models:/line/1", "x")}, "about models:/line/1, not about"),
        ({"challenger": Subject("models:/line/2", "x")}, "about other files"),
        ({"champion": None}, "judged beside no champion, and the champion now is models:/line/1"),
        ({"verdicts": ()}, "the report has no rules"),
    ],
)
def test_a_report_about_something_else_is_no_pass(
    three: list[registry.Version], change: dict, said: str
) -> None:
    """Another model, another champion, or no rules at all."""
    promoted(three[0])
    report = registry.judge("line", 2, GATE, rows(2))
    with pytest.raises(RegistryError, match=said):
        registry.promote("line", 2, swapped(report, **change), why="better")
    assert champion() == 1


def test_a_report_gets_old_when_the_champion_changes(three: list[registry.Version]) -> None:
    """Two were judged beside the same champion; the second has to be judged again."""
    promoted(three[0])
    second, third = (registry.judge("line", n, GATE, rows(2)) for n in (2, 3))
    registry.promote("line", 3, third, why="better")
    with pytest.raises(RegistryError, match="the champion now is models:/line/3"):
        registry.promote("line", 2, second, why="better")
    with pytest.raises(RegistryError, match="is the champion already"):
        registry.promote("line", 3, third, why="again")


def test_a_required_gate_cannot_be_swapped_for_an_easier_one(
    three: list[registry.Version],
) -> None:
    """Until another is required, which stands in the trail."""
    registry.require_gate("line", GATE, why="agreed in March", who="cy")
    easy = Gate("easy", "regression", "y", (Rule("mae", at_most=99.0),))
    report = registry.judge("line", 1, easy, rows(2))
    with pytest.raises(RegistryError, match="'easy' isn't the one that is required, 'lines'"):
        registry.promote("line", 1, report, why="quick")
    registry.require_gate("line", easy, why="for once", who="dee")
    registry.promote("line", 1, report, why="quick")
    assert {"cy", "dee"} <= set(registry.history("line")["who"])


def test_files_that_were_changed_are_not_promoted(
    three: list[registry.Version], store: tracking.Store
) -> None:
    """The gate judged something else than would serve."""
    report = registry.judge("line", 1, GATE, rows(2))
    path = Path(mlflow.artifacts.download_artifacts(three[0].source)) / "model.pkl"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(RegistryError, match="files were changed after it was registered"):
        registry.promote("line", 1, report, why="better")
    assert "the files of version 1 are gone or were changed" in registry.check("line").findings
    shutil.rmtree(path.parent)
    with pytest.raises(RegistryError, match="can't be loaded"):
        registry.load("line", 1)


def test_a_reason_is_asked_for(three: list[registry.Version]) -> None:
    """For whoever reads the trail."""
    report = registry.judge("line", 1, GATE, rows(2))
    with pytest.raises(RegistryError, match="say why"):
        registry.promote("line", 1, report, why=" ")
    with pytest.raises(RegistryError, match="say why"):
        registry.rollback("line", why="")


def test_rolling_back_walks_back_through_the_champions(three: list[registry.Version]) -> None:
    """Not to and fro; and after the first there is none."""
    for version in three:
        promoted(version)
    assert registry.rollback("line", why="complaints", who="bo").version == 2
    assert registry.rollback("line", why="still complaints", who="bo").version == champion() == 1
    with pytest.raises(RegistryError, match="no earlier champion to go back to"):
        registry.rollback("line", why="still")
    assert champion() == 1
    assert promoted(three[2]).version == 3
    assert registry.rollback("line", why="again").version == 1
    assert registry.check("line").ok


def test_what_was_promoted_by_hand_is_found_and_rolled_back_to_what_passed(
    three: list[registry.Version], store: tracking.Store
) -> None:
    """The alias moved, the trail didn't."""
    promoted(three[0])
    client = mlflow.MlflowClient(store.uri)
    client.set_registered_model_alias("line", "champion", "3")
    (finding,) = registry.check("line").findings
    assert "champion is version 3, by the trail it should be 1" in finding
    assert registry.rollback("line", why="nobody judged it").version == 1
    assert registry.check("line").ok
    client.create_model_version("line", three[0].source)
    assert registry.check("line").findings == ("version 4 was registered past the trail",)


def test_a_champion_that_is_gone_is_skipped(
    three: list[registry.Version], store: tracking.Store
) -> None:
    """Rolling back to files that nobody has would be worse than staying."""
    for version in three:
        promoted(version)
    mlflow.MlflowClient(store.uri).delete_model_version("line", "2")
    assert registry.rollback("line", why="complaints").version == 1
    details = trail.read(mlflow.MlflowClient(store.uri).get_registered_model("line").tags)[
        -1
    ].details
    assert details["skipped"] == "2"


class Cut(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Cut the process off before or after its n-th write to the registry: [n, 0 or 1]."""
    state = [0, 0]
    writes = ("set_registered_model_tag", "set_registered_model_alias",
              "delete_registered_model_alias", "log_text")  # fmt: skip

    def counted(real):
        def call(*args: object, **named: object) -> object:
            state[0] -= 1
            if state[0] == 0 and state[1] == 0:
                raise Cut
            found = real(*args, **named)
            if state[0] == 0:
                raise Cut
            return found

        return call

    for name in writes:
        monkeypatch.setattr(mlflow.MlflowClient, name, counted(getattr(mlflow.MlflowClient, name)))
    yield state
    state[0] = 0


@pytest.mark.whole_way
def test_cut_off_anywhere_there_is_the_old_or_the_new_champion(
    three: list[registry.Version], calls: list[int]
) -> None:
    """Before or after each write of a promotion and of a rollback; and what is left is settled."""
    promoted(three[0])
    seen = set()
    for action in ("promote", "rollback"):
        for number in range(1, 6):
            for after in (0, 1):
                before = champion()
                registry.nominate("line", 2)
                report = registry.judge("line", 2, GATE, rows(2)) if action == "promote" else None
                calls[:] = [number, after]
                try:
                    if report is not None:
                        registry.promote("line", 2, report, why="better")
                    else:
                        registry.rollback("line", why="worse")
                except Cut:
                    calls[:] = [0, 0]
                calls[:] = [0, 0]
                now = champion()
                assert now in (1, 2), (action, number, after)
                registry.load("line")
                settled = registry.recover("line")
                assert settled is not None and settled.version == now
                assert registry.check("line").ok, registry.check("line").findings
                seen.add((action, number, after, before, now))
                # Back to where this action starts.
                if action == "promote" and now == 2:
                    registry.rollback("line", why="reset")
                if action == "rollback" and now == 1:
                    promoted(registry.get("line", 2))
        if action == "promote":
            promoted(registry.get("line", 2))
    assert {(1, 1), (1, 2)} <= {(b, n) for action, _, _, b, n in seen if action == "promote"}
    assert {(2, 2), (2, 1)} <= {(b, n) for action, _, _, b, n in seen if action == "rollback"}


KILLED = """
import os, signal, sys
sys.path.insert(0, {here!r})
import mlflow
from mlops_kit import registry, tracking
from mlops_kit.gates import Gate, Rule
tracking.start({workspace!r}, experiment="tests")
import pandas as pd
gate = Gate("lines", "regression", "y", (Rule("mae", at_most=5.0),))
report = registry.judge("line", 2, gate, pd.read_parquet({rows!r}))
move = mlflow.MlflowClient.set_registered_model_alias
def killed(*args):
    move(*args)
    os.kill(os.getpid(), signal.SIGKILL)
mlflow.MlflowClient.set_registered_model_alias = killed
registry.promote("line", 2, report, why="killed in the middle", who="ci")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_real_kill_leaves_a_champion_and_no_lock(
    three: list[registry.Version], store: tracking.Store, tmp_path: Path
) -> None:
    """After the alias moved and before the trail was told; the next process tells it."""
    promoted(three[0])
    rows(2).to_parquet(tmp_path / "rows.parquet")
    code = KILLED.format(here=str(Path(__file__).parents[2]), workspace=str(store.workspace),
                         rows=str(tmp_path / "rows.parquet"))  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    assert champion() == 2
    assert "was cut off; recover('line') settles it" in registry.check("line").findings[0]
    registry.nominate("line", 3, who="bo")
    last = registry.history("line")
    assert list(last["what"])[-2:] == ["promoted", "nominated"]
    assert "begun by ci: killed in the middle" in last["why"].iloc[-2]
    assert registry.check("line").ok


def test_a_registry_that_fails_in_the_middle_leaves_the_champion(
    three: list[registry.Version], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a message that says what holds; the next change settles it."""
    promoted(three[0])
    report = registry.judge("line", 2, GATE, rows(2))

    def down(*args: object, **named: object) -> None:
        raise mlflow.exceptions.MlflowException("connection lost")

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "set_registered_model_alias", down)
        with pytest.raises(RegistryError, match=r"connection lost.*The champion is the old or"):
            registry.promote("line", 2, report, why="better")
    assert champion() == 1
    assert registry.promote("line", 2, report, why="again").version == 2
    assert "abandoned" in list(registry.history("line")["what"])


def test_a_registry_that_is_gone_or_dead_is_one_message(
    store: tracking.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Soon, and without a new empty database in place of the old."""
    registered(1.0)
    assert store.workspace is not None
    database = store.workspace / "mlflow.db"
    database.rename(database.with_suffix(".away"))
    with pytest.raises(RegistryError, match=r"is gone: there is no mlflow\.db"):
        registry.get("line", 1)
    assert not database.exists()
    gone = store.workspace.rename(store.workspace.with_name("elsewhere"))
    with pytest.raises(RegistryError, match=r"can't be changed: No such file.*Nothing was changed"):
        registry.nominate("line", 1)
    assert gone.is_dir()
    dead = tracking.Store("http://127.0.0.1:9", "tests", "1", None)
    for module in ("registry", "registry_calls", "registry_versions", "registry_reading",
                   "registry_models"):  # fmt: skip
        found = sys.modules[f"mlops_kit.{module}"]
        monkeypatch.setattr(found, "current_store", lambda: dead)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryError, match=r"http://127\.0\.0\.1:9 can't be reached"):
        registry.promote("line", 1, GateReport("g", "h", None, None, "", 0, 0.95, ()), why="x")


def test_two_writers_take_turns(
    three: list[registry.Version], store: tracking.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits, and says so when it has waited enough."""
    calls_module = sys.modules["mlops_kit.registry_calls"]
    monkeypatch.setattr(calls_module, "_WAIT_SECONDS", 0.05)
    with calls_module.one_writer(store), pytest.raises(RegistryError, match="another process"):
        registry.nominate("line", 1)
    registry.nominate("line", 1)


def test_a_prediction_is_traced_to_data_code_and_environment(
    three: list[registry.Version], store: tracking.Store
) -> None:
    """By its version, or by its time where the version wasn't logged."""
    start = datetime.now(UTC)
    promoted(three[0])
    middle = datetime.now(UTC)
    promoted(three[1])
    origin = registry.trace({"model": "line", "version": "2", "prediction": 3.1})
    assert origin.version.lineage.data_hash == tracking.content_hash(rows())
    assert origin.code is not None and "A line that is off" in origin.code
    assert "scikit-learn" in json.loads(origin.environment or "")["packages"]
    assert origin.data_path is not None
    pd.testing.assert_frame_equal(pd.read_parquet(origin.data_path), rows())
    assert origin.run.params == {"shift": "1.0"}
    assert [entry["who"] for entry in origin.promotions] == ["ana"]
    assert registry.trace({"model": "line", "time": middle}).version.version == 1
    assert registry.champion_at("line", datetime.now(UTC)) == 2
    assert registry.champion_at("line", start - timedelta(days=1)) is None
    with pytest.raises(RegistryError, match="had no champion at"):
        registry.trace({"model": "line", "time": "2020-01-01"})
    with pytest.raises(RegistryError, match="got the keys prediction"):
        registry.trace({"prediction": 1})
    with pytest.raises(RegistryError, match="no version 9; versions: 1; 2"):
        registry.trace({"model": "line", "version": 9})
    with pytest.raises(RegistryError, match="isn't a time"):
        registry.champion_at("line", "soon")


def test_the_gates_report_is_kept_beside_the_run(
    three: list[registry.Version], store: tracking.Store
) -> None:
    """By the hash that the trail names."""
    promoted(three[0])
    digest = registry.trace({"model": "line", "version": 1}).promotions[0]["report"]
    path = mlflow.MlflowClient(store.uri).download_artifacts(
        three[0].run_id, f"gates/{digest}.json"
    )
    report = GateReport.from_json(Path(path).read_text("utf-8"))
    assert report.hash == digest
    assert report.passed


def tags(store: tracking.Store) -> dict[str, str]:
    found = mlflow.MlflowClient(store.uri).get_registered_model("line").tags
    return {key: text for key, text in found.items() if key.startswith(trail.PREFIX)}


def test_tampering_with_the_trail_is_found(
    three: list[registry.Version], store: tracking.Store
) -> None:
    """A changed entry, a removed one, an unreadable one; an end cut off, to whoever kept a hash."""
    promoted(three[0])
    client = mlflow.MlflowClient(store.uri)
    whole, head = tags(store), registry.check("line").head
    keys = sorted(whole)
    client.set_registered_model_tag("line", keys[1], whole[keys[1]].replace("ana", "eve"))
    assert "entry 2 (registered) was changed" in registry.check("line").findings[0]
    client.set_registered_model_tag("line", keys[1], "{")
    assert "entry 2 can't be read" in registry.check("line").findings
    client.delete_registered_model_tag("line", keys[1])
    assert "entry 2 is missing" in registry.check("line").findings
    client.set_registered_model_tag("line", keys[1], whole[keys[1]])
    assert registry.check("line", anchor=head).ok
    for key in keys[-2:]:
        client.delete_registered_model_tag("line", key)
    client.delete_registered_model_alias("line", "champion")
    assert registry.check("line").ok
    (finding,) = registry.check("line", anchor=head).findings
    assert "isn't there any more" in finding


def test_a_resealed_entry_breaks_the_chain() -> None:
    """Whoever changes an entry and its hash has to change all that follow."""
    entries: tuple[trail.Entry, ...] = ()
    for number in range(1, 5):
        made = trail.seal(entries, who="ana", what="registered", version=number, why="x")
        entries = (*entries, made)
    assert trail.problems(entries) == ()
    forged = trail.seal(entries[:1], who="eve", what="registered", version=2, why="x")
    assert trail.problems((entries[0], forged, *entries[2:])) == (
        "entry 3 (registered) doesn't follow the entry before it",
    )
    fork = trail.seal(entries[:3], who="bo", what="registered", version=4, why="x")
    assert trail.problems((*entries, fork)) == (
        "2 entries have the number 4: written at the same time",
    )


def test_a_classifier_is_judged_by_its_probability(store: tracking.Store) -> None:
    """And a model that fails on the rows says which columns it wants."""
    data = rows().assign(late=lambda frame: (frame["x"] > 0).astype(int))
    model = LogisticRegression().fit(data[["x"]], data["late"])
    registry.register(model, "late", data=data, code="LogisticRegression().fit(x, late)")
    gate = Gate("late", "classification", "late", (Rule("brier", at_most=0.2),))
    (verdict,) = registry.judge("late", 1, gate, data).verdicts
    wanted = ((model.predict_proba(data[["x"]])[:, 1] - data["late"]) ** 2).mean()
    assert verdict.value == pytest.approx(wanted)
    with pytest.raises(RegistryError, match="columns that the data doesn't have: x"):
        registry.judge("late", 1, gate, data.drop(columns="x"))
    with pytest.raises(RegistryError, match="fails on this data"):
        registry.judge("late", 1, gate, data.assign(x="a"))


def test_a_model_of_many_classes_is_judged_by_its_answers(store: tracking.Store) -> None:
    """By the names that it was fitted with; as two classes it is refused with what helps."""
    data = rows()
    data["size"] = pd.cut(data["x"], 3, labels=["small", "middle", "large"]).astype(str)
    model = LogisticRegression().fit(data[["x"]], data["size"])
    registry.register(model, "sizes", data=data, code="LogisticRegression().fit(x, size)")
    many = Gate("sizes", "multiclass", "size", (Rule("balanced_accuracy", at_least=0.3),))
    report = registry.judge("sizes", 1, many, data)
    assert report.verdicts[0].value == pytest.approx(
        balanced_accuracy_score(data["size"], model.predict(data[["x"]]))
    )
    assert registry.promote("sizes", 1, report, why="first").aliases == ("champion",)
    two = Gate("sizes", "classification", "size", (Rule("accuracy", at_least=0.5),))
    with pytest.raises(RegistryError, match="task: multiclass"):
        registry.judge("sizes", 1, two, data)


def test_an_old_trail_with_many_versions_is_read_whole(
    store: tracking.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond one page of MLflow's search."""
    version = registered(1.0)
    client = mlflow.MlflowClient(store.uri)
    real = mlflow.MlflowClient.search_model_versions
    monkeypatch.setattr(
        mlflow.MlflowClient, "search_model_versions",
        lambda self, text, page_token=None: real(self, text, max_results=2, page_token=page_token),
    )  # fmt: skip
    for _ in range(4):
        client.create_model_version("line", version.source)
    assert list(registry.versions("line")["version"]) == [1, 2, 3, 4, 5]
    assert registry_versions.get("line", "5").version == 5
