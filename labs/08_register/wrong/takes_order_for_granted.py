# score = 32
# fails = ["q1_order", "q7_line"]
# why = "A sort that doesn't keep the order of equal moments, and the first and the last row for the first and the last day."

# %% q1
def made_by(moves, times):
    champion = moves[moves["alias"] == "champion"].sort_values("when")
    out = []
    for t in times:
        b = champion[champion["when"] <= t]
        v = int(b["version"].iloc[-1]) if len(b) else 0
        out.append(v or None)
    return out

# %% q7
def origin(line):
    found = dict.fromkeys(["version", "data_hash", "code_hash", "kind", "trips", "days"])
    try:
        traced = registry.trace(line)
    except RegistryError as error:
        return {**found, "reason": str(error)}
    found |= {"version": traced.version.version, "data_hash": traced.version.lineage.data_hash,
        "code_hash": traced.version.lineage.code_hash, "kind": traced.run.params["kind"], "reason": ""}
    if traced.data_path is not None:
        data = pd.read_parquet(traced.data_path)
        found["trips"] = len(data)
        found["days"] = [str(data["pickup_time"].iloc[0].date()), str(data["pickup_time"].iloc[-1].date())]
    return found
