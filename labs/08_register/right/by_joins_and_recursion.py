# why = "A join as of each time, groups to a dictionary, draws by the standard library, an object for a function, recursion over the trail, error bars by name."

# %% q1
def made_by(moves, times):
    ours = moves.query("alias == 'champion'")[["when", "version"]]
    ours = ours.sort_values("when", kind="mergesort")
    asked = pd.DataFrame({"when": pd.to_datetime(times), "place": range(len(times))})
    ours["when"] = pd.to_datetime(ours["when"]).astype(asked["when"].dtype)
    joined = pd.merge_asof(asked.sort_values("when", kind="mergesort"), ours, on="when")
    joined = joined.sort_values("place")
    return [None if pd.isna(v) or v == 0 else int(v) for v in joined["version"]]

# %% q2
def bill(trips, until):
    known = trips.loc[trips["label_time"].le(until)].copy()
    known["euros"] = 0.0
    known.loc[known["cancelled"].astype(bool), "euros"] = MISSED
    known.loc[known["score"].ge(THRESHOLD), "euros"] = CALL
    table = known.groupby("version")["euros"].agg(trips="size", euros="sum", per_trip="mean")
    return table.to_dict("index")

# %% q3
def gain(old, new, *, seed):
    import random
    rng = random.Random(seed)
    d = np.asarray(old) - np.asarray(new)
    means = []
    for _ in range(1000):
        means.append(float(np.mean(d[rng.choices(range(len(d)), k=len(d))])))
    means.sort()
    return dict(gain=float(np.mean(d)), low=means[25], high=means[974])

# %% q4
def declaration():
    rules = [{"metric": "cost", "at_most": 0.48, "name": "worth having"},
        {"metric": "cost", "gain_at_least": -0.05, "slices": ["zone"]},
        {"metric": "cost", "gain_at_least": 0.005}]
    return dict(gate="g", task="classification", label="cancelled", threshold=0.125, rules=rules,
      costs=dict(true_positive=0.5, false_positive=0.5, false_negative=4), interval={"resamples": 500, "seed": 0})

# %% q5
class Release:
    def __call__(self, name, version, gate, rows, *, why):
        out = {"reason": "", "released": False, "champion": None}
        try:
            registry.promote(name, version, registry.judge(name, version, gate, rows), why=why)
        except Exception as e:
            out["reason"] = f"{e}"
        else:
            out["released"] = True
        try:
            out["champion"] = int(registry.get(name).version)
        except Exception:
            pass
        return out

release = Release()

# %% q6
def way_back(history):
    steps = [(w, int(v)) for w, v in history[["what", "version"]].values if w in {"promoted", "rolled back"}]
    def champions(steps):
        if not steps:
            return ()
        *before, (what, version) = steps
        earlier = champions(before)
        if what == "promoted":
            return (*earlier, version)
        return earlier[: earlier.index(version) + 1]
    line = champions(steps)
    return line[-2] if line[1:] else None

# %% q7
def origin(line):
    out = {k: None for k in ("version", "data_hash", "code_hash", "kind", "trips", "days")}
    out["reason"] = ""
    try:
        t = registry.trace(dict(line))
    except Exception as e:
        out["reason"] = repr(e)
        return out
    lineage = t.version.lineage
    out.update(version=int(t.version.version), data_hash=lineage.data_hash, code_hash=lineage.code_hash, kind=t.run.params.get("kind"))
    if t.data_path:
        when = pd.read_parquet(t.data_path, columns=["pickup_time"])["pickup_time"]
        out.update(trips=int(when.size), days=[when.min().strftime("%Y-%m-%d"), when.max().strftime("%Y-%m-%d")])
    return out

# %% q8
def zones_figure(verdicts, bound):
    fig = plt.figure()
    names = [s.split("=", 1)[1] for s in verdicts["slice"]]
    plt.errorbar(verdicts["gain"], names, xerr=[verdicts["gain"] - verdicts["low"], verdicts["high"] - verdicts["gain"]], fmt="o", capsize=3)
    plt.vlines([0, bound], -1, len(names))
    plt.xlabel("Euros a trip"); plt.ylabel("zone")
    bad = [n for n, ok in zip(names, verdicts["passed"]) if not ok]
    plt.title(("dearer: " + ", ".join(bad)) if bad else "every zone holds", loc="right")
    return plt.gcf()
