# score = 18
# fails = ["q1_strict", "q2_whatever", "q3_whole", "q4_rules", "q5_storm", "q7_traps"]
# why = "Asks math of whole numbers that it can't hold, reads text as a number, promotes a model that gives no answers, empties the list that it was given, rounds a plan up, takes a fare of 0 for none."

# %% q1
def problems(rows, columns):
    found = []
    for at, row in enumerate(rows):
        if not isinstance(row, dict):
            found.append({"row": at, "column": None, "rule": "row"}); continue
        for name, c in columns.items():
            v = row.get(name)
            if v is None:
                if not c.get("optional"): found.append({"row": at, "column": name, "rule": "missing"})
                continue
            k = c["kind"]
            num = isinstance(v, (int, float)) and not isinstance(v, bool)
            ok = {"text": isinstance(v, str), "truth": isinstance(v, bool), "number": num and math.isfinite(v), "whole": num and math.isfinite(v) and v % 1 == 0}[k]
            if not ok: rule = "type"
            elif "allowed" in c and v not in c["allowed"]: rule = "allowed"
            elif "minimum" in c and v < c["minimum"]: rule = "minimum"
            elif "maximum" in c and v > c["maximum"]: rule = "maximum"
            else: continue
            found.append({"row": at, "column": name, "rule": rule})
        found += [{"row": at, "column": n, "rule": "unknown"} for n in row if n not in columns]
    return found

# %% q2
def make_app(model, version, columns, max_rows=100):
    app = FastAPI()
    app.state.serving = (version, model)

    @app.get("/health")
    async def health():
        return {"status": "alive"}

    @app.get("/ready")
    async def ready():
        now, current = app.state.serving
        if current is None:
            raise HTTPException(503, "no model yet")
        return {"version": now}

    @app.post("/predict")
    async def predict(request: Request):
        now, current = app.state.serving
        if current is None:
            raise HTTPException(503, "no model yet")
        try:
            body = json.loads(await request.body())
        except (ValueError, RecursionError):
            raise HTTPException(400, "the body isn't JSON") from None
        rows = body.get("rows") if isinstance(body, dict) else None
        if not isinstance(rows, list) or not rows or len(body) != 1:
            return JSONResponse({"problems": [{"row": None, "column": None, "rule": "body"}]}, 422)
        if len(rows) > max_rows:
            raise HTTPException(413, f"at most {max_rows} rows")
        found = problems(rows, columns)
        if found:
            return JSONResponse({"problems": found}, 422)
        try:
            answers = [float(a) for a in current.predict(rows)]
            if len(answers) != len(rows) or not np.isfinite(answers).all():
                raise ValueError
        except Exception:
            return JSONResponse({"error_id": secrets.token_hex(8)}, 500)
        return {"version": now, "predictions": answers}
    return app

# %% q3
def promote(app, model, version):
    try:
        ok = all(math.isfinite(float(a)) for a in model.predict([TRIP]))
    except Exception:
        ok = False
    if not ok:
        raise ValueError("doesn't work")
    app.state.serving = (version, model)

# %% q4
def simulate(arrivals, fixed, per_row, max_rows=1, max_waiting=None):
    out = []
    waiting = []
    free_at = 0.0
    n = 0
    latencies = {}
    while arrivals or waiting:
        start = free_at if waiting else max(free_at, arrivals[0])
        while arrivals and arrivals[0] <= start:
            t = arrivals.pop(0)
            if max_waiting is None or len(waiting) < max_waiting:
                waiting.append((n, t))
            else:
                latencies[n] = None
            n += 1
        batch, waiting = waiting[:max_rows], waiting[max_rows:]
        free_at = start + fixed + per_row * len(batch)
        for i, t in batch:
            latencies[i] = float(free_at - t)
    return [latencies[i] for i in range(n)]

# %% q5
def plan(fixed, per_row, budget_ms):
    if fixed + per_row >= budget_ms:
        raise ValueError
    rows = max(1, round((budget_ms / 2 - fixed) / per_row))
    return {"max_rows": rows, "max_waiting": rows}

# %% q7
def affected(path, version, lowest):
    ids = set()
    for line in open(path):
        try:
            e = json.loads(line)
        except ValueError:
            break
        if e["prediction"] and e["version"] == version and e["prediction"] < lowest:
            ids.add(e["request_id"])
    return sorted(ids)
