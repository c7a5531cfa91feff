"""Workflows run on this machine: what runs, in which order, with what, and what is refused."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mlops_kit import ci
from mlops_kit.ci_expressions import Context, evaluate, fill, holds
from mlops_kit.cli import app
from mlops_kit.errors import CiError

Run = Callable[..., ci.WorkflowRun]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a workflow's text in a small project."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "data.txt").write_text("41\n")

    def go(text: str, **settings: object) -> ci.WorkflowRun:
        file = tmp_path / "workflow.yml"
        file.write_text(text)
        return ci.run_workflow(file, folder=project, settings=ci.CiSettings(**settings))  # type: ignore[arg-type]

    return go


def said(found: ci.WorkflowRun, job: str = "job") -> str:
    (entry,) = [entry for entry in found.jobs if entry.name == job]
    return "".join(step.output for step in entry.steps)


def github(steps: str, job: str = "", top: str = "") -> str:
    lines = "\n".join(f"      {line}" for line in steps.strip().splitlines())
    extra = "\n".join(f"    {line}" for line in job.strip().splitlines())
    head = f"on: [push]\n{top}\njobs:\n  job:\n    runs-on: ubuntu-latest\n"
    return f"{head}{extra}\n    steps:\n{lines}\n"


def test_steps_run_in_order_and_the_first_failure_ends_the_job(run: Run) -> None:
    """Later steps are skipped, but for those that ask to run."""
    found = run(
        github(
            "- run: echo one\n- run: exit 3\n- run: echo two\n"
            "- if: always()\n  run: echo three\n- if: failure()\n  run: echo four"
        )
    )
    assert [step.outcome for step in found.jobs[0].steps] == [
        *("success", "failure", "skipped", "success", "success")
    ]
    assert found.jobs[0].steps[1].exit_code == 3
    assert said(found) == "one\nthree\nfour\n"
    assert not found.ok
    assert found.failed == ("job: exit 3",)


def test_a_script_ends_at_its_first_failing_line(run: Run) -> None:
    """Within a pipe only where the shell has a name, or on GitLab: as on the servers."""
    assert not run(github("- run: |\n    false\n    echo on")).ok
    assert run(github("- run: false | cat")).ok
    assert not run(github("- run: false | cat\n  shell: bash")).ok
    assert not run("job: {script: [false | cat]}").ok


ON_MAIN = "on: {push: {branches: [main, 'release/*', '!release/old']}, pull_request: }"


@pytest.mark.parametrize(
    ("on", "event", "branch", "starts"),
    [
        ("on: push", "push", "idea", True),
        ("on: push", "pull_request", "idea", False),
        ("on: [push, pull_request]", "schedule", "main", False),
        ("on: {schedule: [{cron: '0 3 * * *'}]}", "schedule", "main", True),
        (ON_MAIN, "push", "main", True),
        (ON_MAIN, "push", "idea", False),
        (ON_MAIN, "push", "release/3", True),
        (ON_MAIN, "push", "release/3/4", False),
        (ON_MAIN, "push", "release/old", False),
        (ON_MAIN, "pull_request", "idea", True),
        ("on: {pull_request: {branches: main}}", "pull_request", "idea", True),
        ("on: {pull_request: {branches: [dev]}}", "pull_request", "dev", False),
        ("on: {push: {branches-ignore: ['**']}}", "push", "a/b", False),
        ("on: {push: {tags: ['v*']}}", "push", "main", False),
    ],
)
def test_github_starts_what_its_events_and_branches_say(
    run: Run, on: str, event: str, branch: str, starts: bool
) -> None:
    """A pull request counts for the branch that it is to be merged into; else it is an error."""
    text = f"{on}\njobs: {{job: {{steps: [{{run: 'true'}}]}}}}"
    if starts:
        assert run(text, event=event, branch=branch).ok
    else:
        with pytest.raises(CiError, match=f"isn't started by a {event} of the branch '{branch}'"):
            run(text, event=event, branch=branch)


def test_a_workflow_without_on_is_refused(run: Run) -> None:
    """The server would never start it."""
    with pytest.raises(CiError, match="doesn't say when it runs"):
        run("jobs: {job: {steps: [{run: 'true'}]}}")


def test_gitlabs_workflow_rules_start_a_pipeline_or_dont(run: Run) -> None:
    """The first rule that fits decides; without one that fits nothing starts."""
    text = (
        "workflow: {rules: [{if: $CI_COMMIT_BRANCH == 'old', when: never}, "
        "{if: $CI_PIPELINE_SOURCE == 'push'}]}\njob: {script: ['true']}"
    )
    assert run(text, branch="idea").ok
    for other in ({"branch": "old"}, {"event": "schedule"}):
        with pytest.raises(CiError, match="its workflow's rules"):
            run(text, **other)


def test_a_pull_request_is_of_no_branch(run: Run) -> None:
    """It has the ref of what would be merged, even if it comes from a branch called main."""
    names = "${{ github.ref }} ${{ github.head_ref }} ${{ github.base_ref }} $GITHUB_REF_NAME"
    asked = {"event": "pull_request", "branch": "idea"}
    text = github(f"- run: echo {names}").replace("[push]", "[push, pull_request]")
    assert said(run(text, **asked)) == "refs/pull/1/merge idea main 1/merge\n"
    assert said(run(text, branch="idea")) == "refs/heads/idea idea\n"
    text = "job: {script: ['echo ${CI_COMMIT_BRANCH-none} $CI_MERGE_REQUEST_SOURCE_BRANCH_NAME']}"
    assert said(run(text, **asked)) == "none idea\n"
    assert said(run(text, branch="idea")) == "idea\n"


def test_gitlab_rules_compare_variables_and_take_brackets(run: Run) -> None:
    """The usual comparison with the default branch is one of two variables."""
    rule = "($CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH || $WANTED) && $CI_PIPELINE_SOURCE == 'push'"
    text = f"job: {{rules: [{{if: {rule!r}}}], script: ['true']}}\nother: {{script: ['true']}}"
    assert run(text).outcome("job") == "success"
    assert run(text, branch="idea").outcome("job") == "skipped"
    assert run(text, branch="idea", variables={"WANTED": "1"}).outcome("job") == "success"
    assert run(text, event="schedule").outcome("job") == "skipped"


def test_gitlabs_after_script_knows_how_the_job_went(run: Run) -> None:
    """By the variable that the server sets."""
    for line, status in (("true", "success"), ("false", "failed")):
        text = f"job: {{script: ['{line}'], after_script: ['echo $CI_JOB_STATUS']}}"
        assert said(run(text)) == f"{status}\n"


def test_an_expression_looks_into_each_of_several(run: Run) -> None:
    """``needs.*.result`` is a list."""
    text = (
        "on: push\njobs:\n  a: {steps: [{run: exit 1}]}\n  b: {steps: [{run: 'true'}]}\n"
        "  c: {needs: [a, b], if: \"always() && contains(needs.*.result, 'failure')\", "
        "steps: [{run: 'true'}]}\n"
        "  d: {needs: [b], if: \"always() && contains(needs.*.result, 'failure')\", "
        "steps: [{run: 'true'}]}"
    )
    found = run(text)
    assert [found.outcome(name) for name in "cd"] == ["success", "skipped"]


def test_env_is_that_of_workflow_job_and_step(run: Run) -> None:
    """The inner wins, and expressions see it; a step can set variables for later ones."""
    found = run(
        github(
            "- run: echo $A $B $C ${{ env.B }}\n  env: {C: step}\n"
            "- run: echo D=later >> $GITHUB_ENV\n- run: echo $D",
            job="env: {B: job}",
            top="env: {A: top, B: top}",
        )
    )
    assert said(found) == "top job step job\nlater\n"


def test_nothing_of_this_processes_environment_leaks_in(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A workflow that only works with your variables fails here as it would there."""
    monkeypatch.setenv("MY_TOKEN", "t0ken")
    assert said(run(github("- run: echo [$MY_TOKEN] $CI"))) == "[] true\n"


def test_secrets_are_given_by_name_and_never_shown(run: Run) -> None:
    """The script gets the secret; outputs show stars."""
    text = github('- run: test "$KEY" = s3cret && echo $KEY\n  env: {KEY: "${{ secrets.KEY }}"}')
    assert said(run(text, secrets={"KEY": "s3cret"})) == "***\n"
    assert not run(text).ok


def test_a_matrix_makes_a_job_of_each_combination(run: Run) -> None:
    """With exclude and include; the names tell them apart."""
    found = run(
        github(
            "- run: echo ${{ matrix.a }}${{ matrix.b }}${{ matrix.c }}",
            job="strategy:\n  matrix:\n    a: [1, 2]\n    b: [x, y]\n"
            "    exclude: [{a: 1, b: y}]\n    include: [{a: 2, b: x, c: '!'}, {a: 3, b: z}]",
        )
    )
    assert {job.name: said(found, job.name) for job in found.jobs} == {
        "job (1, x)": "1x\n",
        "job (2, x, !)": "2x!\n",
        "job (2, y)": "2y\n",
        "job (3, z)": "3z\n",
    }


NEEDS = """
on: push
jobs:
  deploy: {needs: [test, lint], steps: [{run: echo deployed}]}
  test: {steps: [{run: "exit ${{ vars.CODE }}"}]}
  lint: {steps: [{run: echo linted}]}
  tidy: {needs: test, if: always(), steps: [{run: "echo ${{ needs.test.result }}"}]}
"""


@pytest.mark.parametrize(("code", "outcome"), [("0", "success"), ("1", "skipped")])
def test_jobs_wait_for_those_they_need(run: Run, code: str, outcome: str) -> None:
    """One that needs a failed job is skipped, unless it says always()."""
    found = run(NEEDS, variables={"CODE": code})
    assert found.outcome("deploy") == outcome
    assert found.outcome("lint") == "success"
    assert said(found, "tidy") == ("success\n" if code == "0" else "failure\n")
    with pytest.raises(CiError, match="there is no job 'nothing'; there: "):
        found.outcome("nothing")


def test_outputs_pass_between_steps_and_jobs(run: Run) -> None:
    """One line or several, by GITHUB_OUTPUT."""
    found = run(
        """
on: push
jobs:
  one:
    outputs: {number: "${{ steps.count.outputs.number }}"}
    steps:
      - {id: count, run: 'printf "number=42\\nlong<<END\\na\\nb\\nEND\\n" >> $GITHUB_OUTPUT'}
      - {run: 'echo "${{ steps.count.outputs.long }} ${{ steps.count.outcome }}"'}
  two:
    needs: one
    if: needs.one.outputs.number == 42
    steps: [{run: "echo got ${{ needs.one.outputs.number }}"}]
"""
    )
    assert said(found, "one") == "a\nb success\n"
    assert said(found, "two") == "got 42\n"


def test_each_job_has_its_own_copy_and_artifacts_pass_between(run: Run, tmp_path: Path) -> None:
    """What a job writes is gone, unless it is kept as an artifact; the project isn't touched."""
    found = run(
        """
on: push
jobs:
  one:
    steps:
      - run: mkdir out && cp data.txt out/copy.txt && echo 42 > data.txt
      - {uses: actions/upload-artifact@v4, with: {name: results, path: out/}}
  two:
    needs: one
    steps:
      - run: cat data.txt; test ! -e out
      - {uses: actions/download-artifact@v4, with: {name: results, path: in}}
      - run: cat in/out/copy.txt
      - {uses: actions/download-artifact@v4, with: {name: nothing}, continue-on-error: true}
"""
    )
    assert said(found, "two") == "41\n41\n"
    assert found.jobs[1].steps[-1].note == "there is no artifact nothing"
    assert found.ok
    assert (tmp_path / "project" / "data.txt").read_text() == "41\n"


def test_python_and_folders_of_steps(run: Run) -> None:
    """A step may be Python, and stand in another folder; python is this environment's."""
    found = run(
        github(
            "- run: mkdir below\n- shell: python\n  working-directory: below\n"
            "  run: import os, sys; print(os.path.basename(os.getcwd()), sys.executable)\n"
            "- shell: sh\n  run: command -v python"
        )
    )
    where, executable = said(found).split("\n")[0].split(" ")
    assert where == "below"
    assert Path(executable).parent == Path(sys.executable).parent
    assert Path(said(found).splitlines()[1]).parent == Path(sys.executable).parent


def test_a_step_that_never_ends_is_ended_with_all_it_started(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, soon: Any, living: Any
) -> None:
    """Its exit code is 124, and its children are gone."""
    mark = tmp_path / "pid"

    class Begun(subprocess.Popen):  # type: ignore[type-arg]
        def wait(self, timeout: float | None = None) -> int:
            assert timeout is None or soon(lambda: mark.exists() and mark.read_text())
            return super().wait(timeout)

    monkeypatch.setattr(subprocess, "Popen", Begun)
    found = run(
        github(f"- run: |\n    sleep 600 & echo $! > {mark}\n    wait\n  timeout-minutes: 0.005")
    )
    assert found.jobs[0].steps[0].exit_code == 124
    assert living([int(mark.read_text())]) == []


def test_a_step_that_may_fail_does_not_fail_the_job(run: Run) -> None:
    """Its outcome is kept."""
    found = run(github("- run: exit 1\n  continue-on-error: true\n- run: echo on"))
    assert found.ok
    assert [step.outcome for step in found.jobs[0].steps] == ["failure", "success"]


GITLAB = """
stages: [check, ship]
variables: {GREETING: hello}
default:
  before_script: [echo before]
.usual:
  variables: {WHO: world, KIND: usual}
check:
  extends: .usual
  stage: check
  image: python:3.12
  variables: {KIND: own}
  script:
    - echo $GREETING $WHO $KIND $CI_COMMIT_BRANCH
    - echo 7 > result.txt
  after_script: [echo after]
  artifacts: {paths: [result.txt]}
ship:
  stage: ship
  rules:
    - if: $CI_COMMIT_BRANCH == "main" && $CI_PIPELINE_SOURCE == "push"
  script: [cat result.txt]
nightly:
  stage: ship
  needs: []
  rules:
    - if: $CI_PIPELINE_SOURCE == "schedule"
      when: always
    - when: never
  script: [echo night]
wide:
  stage: check
  parallel: {matrix: [{A: [1, 2], B: x}]}
  script: ["echo $A$B"]
"""


def test_gitlab_stages_rules_and_artifacts(run: Run) -> None:
    """Jobs of a stage wait for those before, artifacts are there, rules decide."""
    found = run(GITLAB)
    assert said(found, "check") == "before\nhello world own main\nafter\n"
    assert said(found, "ship") == "before\n7\n"
    assert found.outcome("nightly") == "skipped"
    assert said(found, "wide (2, x)") == "before\n2x\n"
    other = run(GITLAB, event="schedule", branch="dev")
    assert other.outcome("ship") == "skipped"
    assert said(other, "nightly") == "before\nnight\n"


def test_a_failing_gitlab_stage_stops_the_next(run: Run) -> None:
    """Unless the job may fail."""
    text = "stages: [a, b]\none: {stage: a, script: [exit 1]%s}\ntwo: {stage: b, script: [echo on]}"
    assert run(text % "").outcome("two") == "skipped"
    found = run(text % ", allow_failure: true")
    assert found.outcome("two") == "success"
    assert found.ok


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("on: push\njobs: {a: {uses: ./other.yml}}", "job a uses uses"),
        ("on: push\njobs: {a: {services: {db: {}}, steps: [{run: x}]}}", "services"),
        (github("- uses: someone/deploy@v1"), r"the action someone/deploy@v1.*'run' step"),
        (github("- run: x\n  uses: actions/checkout@v4"), "either 'run' or 'uses'"),
        (github("- run: x\n  shell: pwsh"), "shell 'pwsh'; supported: bash, sh, python"),
        (github("- run: echo ${{ hashFiles('x') }}"), r"hashFiles\(\) isn't supported"),
        (github("- run: x\n  retries: 3"), "step 1 uses retries"),
        ("on: push\njobs: {a: {needs: b, steps: [{run: x}]}}", "needs b, which isn't in"),
        (
            "on: push\njobs: {a: {needs: b, steps: [{run: x}]}, b: {needs: a, steps: [{run: x}]}}",
            "a, b wait for each other",
        ),
        ("on: push\njobs: {}", "has no jobs"),
        ("on: push\njobs: {a: {steps: []}}", "job a has no steps"),
        ("on: push\njobs: [", "isn't YAML"),
        ("- a list", "holds no workflow"),
        ("include: other.yml\na: {script: [x]}", "uses include"),
        ("a: {script: [x], services: [db]}", "job a uses services"),
        ("a: {stage: nowhere, script: [x]}", "stage 'nowhere'; there: "),
        ("a: {extends: .b, script: [x]}\n.b: {extends: .b}", "extends .b"),
        ("a: {script: [x], rules: [{if: '$A =~ /x/'}]}", r"the rule '\$A =~ /x/'"),
        ("a: {script: [x], rules: [{changes: [x]}]}", "rules uses changes"),
        ("stages: [a]", "has no jobs"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(run: Run, text: str, problem: str) -> None:
    """Nothing is left out silently: the message names what, and what would do."""
    with pytest.raises(CiError, match=rf"(?s){problem}"):
        run(text)


def test_a_missing_file_or_folder_is_a_clear_error(tmp_path: Path) -> None:
    """And so is a step in a folder that isn't there, or outside the project."""
    with pytest.raises(CiError, match="there is no workflow file"):
        ci.read_workflow(tmp_path / "none.yml")
    file = tmp_path / "a.yml"
    file.write_text(github("- run: x\n  working-directory: ../.."))
    with pytest.raises(CiError, match="there is no folder"):
        ci.run_workflow(file, folder=tmp_path / "none")
    with pytest.raises(CiError, match="leads out of the project"):
        ci.run_workflow(file, folder=tmp_path)
    file.write_text(github("- run: x\n  working-directory: below"))
    with pytest.raises(CiError, match="isn't a folder of the project"):
        ci.run_workflow(file, folder=tmp_path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 == 1.0", True),
        ("'A' == 'a'", True),
        ("'' == null", True),
        ("'1' == 1", True),
        ("'x' == 1", False),
        ("!('a' != 'b') || true && false", False),
        ("a.b.c", 7),
        ("a.nothing.c", None),
        ("contains('hello', 'ELL')", True),
        ("contains(a.list, 'y')", True),
        ("startsWith('refs/heads/x', 'refs/heads/')", True),
        ("endsWith('x.py', '.py')", True),
        ("format('{0}-{1}', 'a', 2)", "a-2"),
        ("join(a.list, '+')", "x+y"),
        ("'it''s'", "it's"),
        ("a.b.c && 'yes' || 'no'", "yes"),
        ("2 > 1 && 1 <= 1 && !(1 >= 2)", True),
    ],
)
def test_expressions(text: str, value: object) -> None:
    """Values compare as on the server: text without case, numbers by value, null as nothing."""
    context = Context({"a": {"b": {"c": 7}, "list": ["x", "y"]}})
    assert evaluate(text, context) == value


@pytest.mark.parametrize("text", ["1 +", "(1", "a.b", "f(", "1 2", "", "contains('a')", "'open"])
def test_expressions_that_cannot_be_read(text: str) -> None:
    """One message names the expression."""
    with pytest.raises(CiError, match="the expression"):
        evaluate(text, Context())


def test_conditions_follow_the_status() -> None:
    """Without a status function a condition holds on success only."""
    failed = Context({"x": "1"}, "failure")
    assert not holds("x == 1", failed)
    assert holds("failure() && x == 1", failed)
    assert holds("${{ always() }}", failed)
    assert fill("${{ null }}${{ true }} ${{ toJSON(x) }}", failed) == 'true "1"'


def test_the_command_line(tmp_path: Path) -> None:
    """Exit code 0, 1 or 2, and JUnit for those who read it."""
    file = tmp_path / "check.yml"
    cli = CliRunner()
    file.write_text(github("- uses: actions/checkout@v4\n- run: echo ${{ inputs.who }}"))
    done = cli.invoke(app, ["ci", "run", str(file), "--folder", str(tmp_path), "--input", "who=me"])
    assert done.exit_code == 0
    assert "the folder is there already" in done.output
    shown = cli.invoke(app, ["ci", "show", str(file)])
    assert "job\n  actions/checkout@v4" in shown.output
    file.write_text(github('- run: printf "a\\\\001b"; exit 4'))
    report = tmp_path / "out" / "junit.xml"
    done = cli.invoke(
        app, ["ci", "run", str(file), "--folder", str(tmp_path), "--junit", str(report)]
    )
    assert done.exit_code == 1
    assert 'message="exit code 4">ab<' in report.read_text()
    for wrong in (["--input", "x"], ["--secret", "NOT_THERE_AT_ALL"]):
        assert cli.invoke(app, ["ci", "run", str(file), *wrong]).exit_code == 2
