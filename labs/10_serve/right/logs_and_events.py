# why = "A service that logs its failures and refuses by its own exception, a queue of events, a plan by counting up, markers apart from their lines, one legend for the figure, a title at the right."

# %% q1
from numbers import Real
KINDS = {
    "text": lambda v: type(v) is str,
    "truth": lambda v: v is True or v is False,
    "number": lambda v: type(v) is int or (type(v) is float and v - v == 0),
    "whole": lambda v: type(v) is int or (type(v) is float and v.is_integer()),
}

def problems(rows, columns):
    def of_row(at, row):
        if not isinstance(row, dict):
            yield {"row": at, "column": None, "rule": "row"}
            return
        for name in {**dict.fromkeys(columns), **row}:
            spec, value = columns.get(name), row.get(name)
            rule = None
            if spec is None:
                rule = "unknown"
            elif value is None:
                rule = None if spec.get("optional", False) else "missing"
            elif not KINDS[spec["kind"]](value):
                rule = "type"
            elif "allowed" in spec and value not in set(spec["allowed"]):
                rule = "allowed"
            elif value < spec.get("minimum", value):
                rule = "minimum"
            elif value > spec.get("maximum", value):
                rule = "maximum"
            if rule is not None:
                yield dict(rule=rule, column=name, row=at)
    return [p for at, row in enumerate(rows) for p in of_row(at, row)]

# %% q2
class Refused(Exception):
    def __init__(self, status, content):
        self.status, self.content = status, content

def make_app(model, version, columns, max_rows=100):
    app = FastAPI(title="fares")
    app.state.model = {"version": version, "model": model}

    @app.exception_handler(Refused)
    async def refuse(request, exc):
        return JSONResponse(exc.content, status_code=exc.status)

    def current():
        serving = app.state.model
        if serving["model"] is None:
            raise Refused(503, {"detail": "not ready"})
        return serving

    @app.get("/health")
    def health():
        return "ok"

    @app.get("/ready")
    def ready():
        return {"version": current()["version"]}

    @app.post("/predict")
    async def predict(request: Request):
        serving = current()
        raw = await request.body()
        try:
            body = json.loads(raw.decode("utf-8"))
        except Exception:
            raise Refused(400, {"detail": "not JSON"})
        if not (isinstance(body, dict) and set(body) == {"rows"} and isinstance(body["rows"], list) and body["rows"]):
            raise Refused(422, {"problems": [{"row": None, "column": None, "rule": "body"}]})
        if len(body["rows"]) > max_rows:
            raise Refused(413, {"detail": "too many"})
        wrong = problems(body["rows"], columns)
        if wrong:
            raise Refused(422, {"problems": wrong})
        try:
            return {"predictions": ask_model(serving["model"], body["rows"]), "version": serving["version"]}
        except Exception:
            error_id = secrets.token_urlsafe()
            logging.exception("request failed: %s", error_id)
            raise Refused(500, {"error_id": error_id})

    return app

def ask_model(model, rows):
    answers = list(model.predict(rows))
    assert len(answers) == len(rows)
    assert all(type(a) in (int, float) and math.isfinite(a) for a in answers)
    return answers

# %% q3
def promote(app, model, version):
    try:
        ask_model(model, [dict(TRIP)])
    except Exception as e:
        raise ValueError(str(e))
    app.state.model = dict(version=version, model=model)

# %% q4
from collections import deque
import heapq
def simulate(arrivals, fixed, per_row, max_rows=1, max_waiting=None):
    result = [None] * len(arrivals)
    events = [(t, 0, i) for i, t in enumerate(arrivals)]
    heapq.heapify(events)
    line, busy = deque(), False
    while events:
        now = events[0][0]
        while events and events[0][0] == now:
            _, kind, i = heapq.heappop(events)
            if kind == 1:
                busy = False
            elif max_waiting is None or len(line) < max_waiting:
                line.append(i)
        # arrivals (kind 0) sort before the end of work (kind 1) at the same time
        if not busy and line:
            batch = [line.popleft() for _ in range(min(max_rows, len(line)))]
            end = now + fixed + per_row * len(batch)
            for i in batch:
                result[i] = end - arrivals[i]
            busy = True
            heapq.heappush(events, (end, 1, -1))
    return result

# %% q5
def plan(fixed, per_row, budget_ms):
    if fixed + per_row > budget_ms:
        raise ValueError("hopeless")
    n = 1
    while n < 5000 and 2 * (fixed + per_row * (n + 1)) <= budget_ms:
        n += 1
    return dict(max_waiting=n, max_rows=n)

# %% q6
def load_figure(table, budget_ms):
    t = table.set_index("rate").sort_index()
    fig, axs = plt.subplots(nrows=2)
    for c, m in (("p50_ms", "o"), ("p99_ms", "x")):
        axs[0].plot(t.index, t[c], label=c)
        axs[0].scatter(t.index, t[c], marker=m)
    axs[0].plot([t.index.min(), t.index.max()], [budget_ms] * 2, "k--", label=f"budget {budget_ms} ms")
    t["refused"].plot(ax=axs[1])
    for a in axs:
        a.set_xlabel("Requests per second"); a.set_xscale("log")
    axs[0].set_ylabel("ms"); axs[1].set_ylabel("refused")
    fig.legend()
    axs[0].set_title("Load", loc="right")
    return fig

# %% q7
def affected(path, version, lowest):
    ids = set()
    for line in Path(path).read_text(encoding="utf-8").split("\n"):
        try:
            e = json.loads(line)
        except json.JSONDecodeError:
            continue
        p = e["prediction"]
        if p is not None and e["version"] == version and p < lowest:
            ids.add(e["request_id"])
    return sorted(ids)
