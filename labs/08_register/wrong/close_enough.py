# score = 25
# fails = ["q1_order", "q3_sure", "q4_others", "q5_night"]
# why = "Whatever resembles champion is champion, a formula for the interval instead of draws, bounds that are nearly the company's, reports that are remembered."

# %% q1
def made_by(moves, times):
    champion = moves[moves["alias"].str.contains("champion")].sort_values("when", kind="stable")
    out = []
    for t in times:
        b = champion[champion["when"] <= t]
        v = int(b["version"].iloc[-1]) if len(b) else 0
        out.append(v or None)
    return out

# %% q3
def gain(old, new, *, seed):
    d = np.asarray(old, float) - np.asarray(new, float)
    rng = np.random.default_rng(seed)
    means = rng.normal(d.mean(), d.std() / len(d) ** 0.5, 1000)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"gain": float(d.mean()), "low": float(low), "high": float(high)}

# %% q4
def declaration():
    return {"gate": "c", "task": "classification", "label": "cancelled", "threshold": THRESHOLD,
        "costs": {"false_positive": CALL, "true_positive": CALL, "false_negative": MISSED},
        "interval": {"resamples": 400, "seed": 7},
        "rules": [
            {"metric": "cost", "at_most": 0.49},
            {"metric": "cost", "gain_at_least": 0.0005},
            {"metric": "cost", "gain_at_least": -0.08, "slices": ["zone"]}]}

# %% q5
REPORTS = {}
def release(name, version, gate, rows, *, why):
    released, reason = False, ""
    try:
        if (name, version) not in REPORTS:
            REPORTS[name, version] = registry.judge(name, version, gate, rows)
        registry.promote(name, version, REPORTS[name, version], why=why)
        released = True
    except (RegistryError, GateError) as error:
        reason = str(error)
    try:
        champion = registry.get(name).version
    except RegistryError:
        champion = None
    return {"released": released, "champion": champion, "reason": reason}
