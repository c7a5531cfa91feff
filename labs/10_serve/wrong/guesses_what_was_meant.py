# score = 30
# fails = ["q2_answers", "q2_whatever"]
# why = "Repairs what it is sent: a distance below zero counts as none, and the caller never learns of it; and asks the model before it looks at the rows."

# %% q2
def make_app(model, version, columns, max_rows=100):
    """Give a FastAPI application that serves a model behind a contract."""
    app = FastAPI()
    app.state.serving = (version, model)
    refusal = {"problems": [{"row": None, "column": None, "rule": "body"}]}

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
            return JSONResponse(refusal, 422)
        if len(rows) > max_rows:
            raise HTTPException(413, f"at most {max_rows} rows")
        rows = [
            {**row, "distance_km": max(0, row.get("distance_km", 0))} if isinstance(row, dict) else row
            for row in rows
        ]
        current.predict(rows)
        found = problems(rows, columns)
        if found:
            return JSONResponse({"problems": found}, 422)
        try:
            answers = checked_answers(current, rows)
        except Exception:
            error_id = secrets.token_hex(8)
            logging.getLogger("fares").debug("request %s failed", error_id, exc_info=True)
            return JSONResponse({"error_id": error_id}, 500)
        return {"version": now, "predictions": answers}

    return app


def checked_answers(model, rows):
    """Ask a model; ValueError if its answers can't be told."""
    answers = list(model.predict(rows))
    if not all(isinstance(answer, (int, float)) for answer in answers):
        raise ValueError("the model's answers aren't numbers")
    if len(answers) != len(rows) or not all(map(math.isfinite, answers)):
        raise ValueError("the model's answers aren't one finite number a row")
    return answers
