"""One model behind MLflow's server, behind a plain FastAPI application, and behind the kit's.

uv run python benchmarks/serving.py [--quick] [--json] [--soak MINUTES]

The load comes from a process of its own: 16 connections, each sends a row and waits for its answer.
The kit's service checks every row against a contract, counts it and logs it; the others don't.
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

CONNECTIONS = 16
SECONDS, QUICK_SECONDS = 10.0, 2.5
ROUNDS, QUICK_ROUNDS = 3, 1
PATIENCE_S = 180.0
COLUMNS = (
    "distance_km", "duration_min", "wait_min", "hour", "weekday", "temperature_c", "raining",
    "surge",
)  # fmt: skip
SERVERS = ("mlflow", "plain", "kit", "kit_onnx")
# What a team writes on the first day: a typed row, a frame, the model.
PLAIN = """
import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

model = joblib.load({path!r})
app = FastAPI()


class Row(BaseModel):
{fields}


@app.get("/health")
def health():
    return {{"status": "alive"}}


@app.post("/predict")
def predict(row: Row):
    frame = pd.DataFrame([row.model_dump()])
    return {{"prediction": float(model.predict(frame)[0])}}
"""


class Client(asyncio.Protocol):
    """A connection that sends a request as soon as the last one was answered."""

    def __init__(self, requests: list[bytes], first: int, times: list[float], end: float) -> None:
        self.requests, self.next, self.times, self.end = requests, first, times, end
        self.errors = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.begin = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start."""
        self.transport: Any = transport
        self.send()

    def send(self) -> None:
        """Ask once more, with the next row."""
        self.next = (self.next + 1) % len(self.requests)
        self.begin = time.perf_counter()
        self.transport.write(self.requests[self.next])

    def data_received(self, data: bytes) -> None:
        """Take a piece of an answer; when it is whole, note the time and ask again."""
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        now = time.perf_counter()
        self.times.append(now - self.begin)
        if not head.startswith(b"HTTP/1.1 200"):
            self.errors += 1
        self.buffer = b""
        if now < self.end:
            self.send()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """End; too early counts as an error."""
        if time.perf_counter() < self.end or error is not None:
            self.errors += 1
        if not self.done.done():
            self.done.set_result(None)


async def offer_load(port: int, requests: list[bytes], seconds: float) -> dict[str, float]:
    """Keep every connection busy for a while."""
    times: list[float] = []
    begin = time.perf_counter()
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(
            lambda first=first: Client(requests, first * 7, times, begin + seconds),  # type: ignore[misc]
            "127.0.0.1",
            port,
        )
        for first in range(CONNECTIONS)
    ]
    clients = [client for _, client in made]
    await asyncio.gather(*(client.done for client in clients))
    took = time.perf_counter() - begin
    times.sort()
    return {
        "requests_per_s": len(times) / took,
        "p50_ms": 1000 * times[len(times) // 2],
        "p99_ms": 1000 * times[int(0.99 * (len(times) - 1))],
        "errors": sum(client.errors for client in clients),
    }


def run_load(work: Any) -> Any:
    """Run the clients on the quickest loop there is, so that they don't hold up the server."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


def load(port: int, requests: Path, seconds: float) -> dict[str, float]:
    """Offer load from a process of its own."""
    words = [sys.executable, __file__, "--load", str(port), str(requests), str(seconds)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


@dataclass
class Server:
    """A server under test."""

    name: str
    command: list[str]
    health: str
    path: str
    body: Callable[[dict[str, Any]], Any]
    environment: dict[str, str] = field(default_factory=dict)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(port: int, path: str) -> bytes | None:
    with (
        contextlib.suppress(OSError),
        urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer,
    ):
        return bytes(answer.read())
    return None


def wait_until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} took longer than {PATIENCE_S:g} s")
        time.sleep(0.02)


@contextlib.contextmanager
def running(server: Server, port: int, folder: Path) -> Iterator[tuple[subprocess.Popen, float]]:
    """Start a server, and say how long it took until it answered."""
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    environment |= {"PATH": scripts}  # MLflow starts uvicorn by its name
    command = [word.replace("PORT", str(port)) for word in server.command]
    log = (folder / f"{server.name}.log").open("ab")
    begin = time.perf_counter()
    process = subprocess.Popen(
        command,
        env=environment | server.environment,
        cwd=folder,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        wait_until(
            lambda: fetch(port, server.health) is not None or process.poll() is not None,
            server.name,
        )
        if process.poll() is not None:
            raise RuntimeError((folder / f"{server.name}.log").read_text()[-2000:])
        yield process, time.perf_counter() - begin
    finally:
        stop(process)
        log.close()


def family(process: subprocess.Popen) -> list[Any]:
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process.pid)
        return [parent, *parent.children(recursive=True)]
    return []


def processor_s(process: subprocess.Popen) -> float:
    """Give the processor time of a server and the processes it started, in seconds."""
    total = 0.0
    for member in family(process):
        with contextlib.suppress(Exception):
            total += sum(member.cpu_times()[:2])
    return total


def stop(process: subprocess.Popen) -> None:
    members = family(process)
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for member in members[1:]:
        with contextlib.suppress(Exception):
            member.kill()


def memory_mb(process: subprocess.Popen) -> float:
    """Give the resident memory of a server and the processes it started."""
    total = 0
    for member in family(process):
        with contextlib.suppress(Exception):
            total += member.memory_info().rss
    return total / 2**20


def servers(folder: Path, name: str) -> list[Server]:
    """Describe the servers for one model."""
    scripts = Path(sys.executable).parent
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{(folder / 'mlflow.db').as_posix()}"}
    address = f"models:/{name}@champion"
    ours = [
        str(scripts / "mlops-kit"), "serve", address, "--workspace", str(folder), "--port", "PORT",
        "--contract", str(folder / "contract.json"), "--log", str(folder / f"{name}.jsonl"),
    ]  # fmt: skip
    plain = [sys.executable, "-m", "uvicorn", f"plain_{name}:app", "--port", "PORT"]
    return [
        Server(
            "mlflow",
            [
                str(scripts / "mlflow"), "models", "serve", "-m", address, "--env-manager", "local",
                "-p", "PORT",
            ],
            "/ping",
            "/invocations",
            lambda row: {"dataframe_split": {"columns": list(row), "data": [list(row.values())]}},
            store,
        ),
        Server("plain", [*plain, "--no-access-log"], "/health", "/predict", lambda row: row),
        Server("kit", [*ours, "--no-onnx"], "/ready", "/predict", lambda row: row),
        Server("kit_onnx", ours, "/ready", "/predict", lambda row: row),
    ]  # fmt: skip


def prepare(folder: Path) -> list[dict[str, float]]:
    """Fit and register both models; write the plain applications and the contract."""
    import joblib
    import mlflow
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import LinearRegression

    from mlops_kit import tracking, worlds
    from mlops_kit.contracts import Contract

    trips = worlds.rides_trips(days=7, seed=7)
    inputs, fares = trips[list(COLUMNS)].astype(float), trips["fare"]
    contract = Contract.infer(inputs, name="trips")
    (folder / "contract.json").write_text(json.dumps(contract.to_dict()))
    tracking.start(folder, experiment="bench")
    fields = "\n".join(f"    {column}: float" for column in COLUMNS)
    models = {"linear": LinearRegression(), "boosted": HistGradientBoostingRegressor()}
    for name, model in models.items():
        model.fit(inputs, fares)
        with tracking.run(name) as run:
            uri = run.log_model(model, example=inputs.head())
        version = mlflow.register_model(uri, name).version
        mlflow.MlflowClient().set_registered_model_alias(name, "champion", version)
        joblib.dump(model, folder / f"{name}.joblib")
        text = PLAIN.format(path=str(folder / f"{name}.joblib"), fields=fields)
        (folder / f"plain_{name}.py").write_text(text)
    return [dict(row) for row in inputs.head(256).to_dict(orient="records")]


def write_requests(server: Server, rows: list[dict[str, float]], path: Path) -> None:
    bodies = [json.dumps(server.body(row)).encode() for row in rows]
    head = (
        f"POST {server.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    requests = [head + str(len(body)).encode() + b"\r\n\r\n" + body for body in bodies]
    path.write_text(json.dumps([request.decode() for request in requests]))


def is_quick(port: int) -> bool:
    described = fetch(port, "/model")
    return described is not None and json.loads(described)["way"] == "onnx"


def measure(
    server: Server, name: str, rows: list[dict[str, float]], folder: Path, seconds: float
) -> dict[str, Any]:
    """Start a server, warm it up, load it, and stop it."""
    port = free_port()
    requests = folder / f"{server.name}.requests"
    write_requests(server, rows, requests)
    with running(server, port, folder) as (process, ready_s):
        ready_cpu_s = processor_s(process)
        if server.name == "kit_onnx":
            wait_until(lambda: is_quick(port), "the export")
        load(port, requests, 1.0)
        before = processor_s(process)
        figures = load(port, requests, seconds)
        answered = figures["requests_per_s"] * seconds
        return {
            "model": name,
            "server": server.name,
            **{key: round(value, 3) for key, value in figures.items()},
            "cpu_us": round(1e6 * (processor_s(process) - before) / answered, 1),
            "ready_s": round(ready_s, 2),
            "ready_cpu_s": round(ready_cpu_s, 2),
            "memory_mb": round(memory_mb(process), 1),
        }


def best_of(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Take the round with the most requests: what disturbs a measurement only slows it."""
    best = max(rounds, key=lambda row: row["requests_per_s"])
    least = {key: min(row[key] for row in rounds) for key in ("cpu_us", "ready_s", "ready_cpu_s")}
    return {**best, **least, "errors": sum(row["errors"] for row in rounds)}


def compare(
    table: dict[tuple[str, str], dict[str, Any]],
) -> tuple[dict[str, float], dict[str, Any]]:
    """Give the ratios, and what is wanted of them."""
    ratios: dict[str, float] = {}
    wanted: dict[str, Any] = {}

    def add(name: str, value: float, **limit: float) -> None:
        ratios[name], wanted[name] = round(value, 3), limit

    for model in ("linear", "boosted"):
        mlflow, plain, kit, onnx = (table[model, server] for server in SERVERS)
        for name, ours, least in (("kit", kit, 8), ("kit_onnx", onnx, 25)):
            rate = ours["requests_per_s"] / mlflow["requests_per_s"]
            add(f"{model}_{name}_over_mlflow", rate, min=least)
            # The same by processor time: what else runs on the machine doesn't change it.
            add(f"{model}_{name}_cpu_over_mlflow", mlflow["cpu_us"] / ours["cpu_us"], min=least)
            add(f"{model}_{name}_p99_over_plain", ours["p99_ms"] / plain["p99_ms"], max=1)
        add(f"{model}_ready_over_mlflow", onnx["ready_s"] / mlflow["ready_s"], max=0.5)
        add(f"{model}_ready_cpu_over_mlflow", kit["ready_cpu_s"] / mlflow["ready_cpu_s"], max=0.5)
    add("errors", sum(row["errors"] for row in table.values()), max=0)
    return ratios, wanted


def soak(folder: Path, rows: list[dict[str, float]], minutes: float) -> list[dict[str, Any]]:
    """Load the kit's service for a long time, and look at its memory."""
    server = servers(folder, "boosted")[-1]
    port = free_port()
    requests = folder / "soak.requests"
    write_requests(server, rows, requests)
    seen: list[dict[str, Any]] = []
    with running(server, port, folder) as (process, _):
        wait_until(lambda: is_quick(port), "the export")
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            figures = load(port, requests, min(15.0, max(2.0, end - time.monotonic())))
            row = {key: round(value, 3) for key, value in figures.items()}
            seen.append({"soak": len(seen), **row, "memory_mb": round(memory_mb(process), 1)})
    return seen


def soak_ratios(seen: list[dict[str, Any]]) -> tuple[dict[str, float], dict[str, Any]]:
    """Compare the memory at the end with that after the first tenth, when caches are full."""
    early = seen[len(seen) // 10]["memory_mb"]
    grown = max(row["memory_mb"] for row in seen[-3:]) / early
    errors = sum(row["errors"] for row in seen)
    ratios = {"soak_memory_end_over_start": round(grown, 3), "soak_errors": errors}
    return ratios, {"soak_memory_end_over_start": {"max": 1.05}, "soak_errors": {"max": 0}}


def main() -> None:
    """Measure, and print one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller run of the same")
    parser.add_argument("--json", action="store_true", help="print the JSON only")
    parser.add_argument("--soak", type=float, default=0.0, metavar="MINUTES", help="a long load")
    parser.add_argument("--load", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        port, path, seconds = options.load
        requests = [text.encode() for text in json.loads(Path(path).read_text())]
        sys.stdout.write(json.dumps(run_load(offer_load(int(port), requests, float(seconds)))))
        return
    warnings.simplefilter("ignore")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    seconds = QUICK_SECONDS if options.quick else SECONDS
    table: dict[tuple[str, str], dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = prepare(folder)
        if options.soak:
            lines = soak(folder, rows, options.soak)
            ratios, wanted = soak_ratios(lines)
        else:
            for model in ("linear", "boosted"):
                found: dict[str, list[dict[str, Any]]] = {server: [] for server in SERVERS}
                for _ in range(QUICK_ROUNDS if options.quick else ROUNDS):
                    for server in servers(folder, model):
                        row = measure(server, model, rows, folder, seconds)
                        found[server.name].append(row)
                table |= {(model, server): best_of(found[server]) for server in SERVERS}
            lines = list(table.values())
            ratios, wanted = compare(table)
    if not options.json:
        for line in lines:
            words = [f"{key} {value}" for key, value in line.items()]
            sys.stdout.write("  ".join(words) + "\n")
    names = ("fastapi", "mlflow", "onnxruntime", "scikit-learn", "uvicorn")
    result = {
        "benchmark": "serving",
        "versions": {name: metadata.version(name) for name in names},
        "rows": lines,
        "ratios": ratios,
        "wanted": wanted,
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
