# why = "Plain Python throughout: a table of checks, model and version in one object, a queue that goes from event to event, a search for the plan instead of a formula, the log read line by line."

# %% q1
KINDS = {
    "text": lambda value: type(value) is str,
    "truth": lambda value: type(value) is bool,
    "number": lambda value: type(value) in (int, float) and abs(value) < float("inf"),
    "whole": lambda value: type(value) in (int, float) and abs(value) < float("inf") and value % 1 == 0,
}
LIMITS = {
    "allowed": lambda value, limit: value in limit,
    "minimum": lambda value, limit: value >= limit,
    "maximum": lambda value, limit: value <= limit,
}


def problems(rows, columns):
    found = []

    def add(row, column, rule):
        found.append(dict(row=row, column=column, rule=rule))

    for number, row in enumerate(rows):
        if type(row) is not dict:
            add(number, None, "row")
            continue
        for name in sorted({*row, *columns}):
            column = columns.get(name)
            if column is None:
                add(number, name, "unknown")
            elif row.get(name) is None:
                if not column.get("optional", False):
                    add(number, name, "missing")
            elif not KINDS[column["kind"]](row[name]):
                add(number, name, "type")
            else:
                for rule, holds in LIMITS.items():
                    if rule in column and not holds(row[name], column[rule]):
                        add(number, name, rule)
                        break
    return found

# %% q2
class Serving:
    def __init__(self, model, version):
        self.model, self.version = model, version

    def answer(self, rows):
        told = [1.0 * answer for answer in self.model.predict(rows)]
        assert len(told) == len(rows)
        assert all(abs(answer) < float("inf") for answer in told)
        return told


def make_app(model, version, columns, max_rows=100):
    app = FastAPI()
    app.state.now = Serving(model, version)

    def say(status, **content):
        return JSONResponse(content, status_code=status)

    @app.get("/health")
    def health():
        return {"ok": True}

    @app.get("/ready")
    def ready():
        now = app.state.now
        return say(503) if now.model is None else say(200, version=now.version)

    @app.post("/predict")
    async def predict(request: Request):
        now = app.state.now
        if now.model is None:
            return say(503)
        text = await request.body()
        try:
            body = json.loads(text.decode("utf-8"))
        except Exception:
            return say(400, detail="no JSON")
        good = isinstance(body, dict) and list(body) == ["rows"] and isinstance(body["rows"], list)
        if not good or not body["rows"]:
            return say(422, problems=[{"row": None, "column": None, "rule": "body"}])
        if len(body["rows"]) > max_rows:
            return say(413)
        broken = problems(body["rows"], columns)
        if broken:
            return say(422, problems=broken)
        try:
            told = now.answer(body["rows"])
        except Exception:
            return say(500, error_id=secrets.token_urlsafe(12))
        return say(200, version=now.version, predictions=told)

    return app

# %% q3
def promote(app, model, version):
    fresh = Serving(model, version)
    try:
        fresh.answer([TRIP])
    except Exception:
        raise ValueError("the trial failed")
    app.state.now = fresh

# %% q4
def simulate(arrivals, fixed, per_row, max_rows=1, max_waiting=None):
    room = float("inf") if max_waiting is None else max_waiting
    result = {}
    line = []
    busy_until = None
    pending = list(enumerate(arrivals))
    while pending or line or busy_until is not None:
        moments = [] if busy_until is None else [busy_until]
        if pending:
            moments.append(pending[0][1])
        clock = min(moments)
        if busy_until is not None and busy_until <= clock:
            busy_until = None
        while pending and pending[0][1] <= clock:
            number, when = pending.pop(0)
            if len(line) < room:
                line.append((number, when))
            else:
                result[number] = None
        if busy_until is None and line:
            batch, line = line[:max_rows], line[max_rows:]
            busy_until = clock + fixed + per_row * len(batch)
            for number, when in batch:
                result[number] = float(busy_until - when)
    return [result[number] for number in range(len(arrivals))]

# %% q5
def plan(fixed, per_row, budget_ms):
    if fixed + per_row > budget_ms:
        raise ValueError("one row alone is too late")
    size = 1
    while size < 5000 and 2 * (fixed + per_row * (size + 1)) <= budget_ms:
        size += 1
    return dict(max_rows=size, max_waiting=size)

# %% q7
def affected(path, version, lowest):
    ids = set()
    with open(path) as lines:
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry["version"] == version and entry["prediction"] is not None:
                if entry["prediction"] < lowest:
                    ids.add(entry["request_id"])
    return sorted(ids)
