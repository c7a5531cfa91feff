# score = 24
# fails = ["q3_again", "q4_one", "q4_all", "q5_query", "q5_traps"]
# why = "Forgets that code is an ingredient when it reuses runs; counts a metric that differs as a parameter that differs; and looks for the largest error, as if it were an accuracy."

# %% q4
def culprits(first, second):
    record = tracking.compare_runs().set_index("run_id").fillna("")
    found = set()
    for column in record.columns:
        if record.loc[first, column] != record.loc[second, column]:
            if column.startswith(("params.", "metrics.")):
                found.add("params")
            elif column in ("code_hash", "data_hash", "environment", "seed"):
                found.add(column.removesuffix("_hash"))
    return sorted(found)


# %% q5
def best_run_id(data_hash, where=None):
    runs = tracking.compare_runs()
    runs = runs[(runs["data_hash"] == data_hash) & (runs["status"] == "FINISHED")]
    for key, value in (where or {}).items():
        runs = runs[runs[f"params.{key}"].astype(str) == str(value)]
    runs = runs.dropna(subset=["metrics.mae"])
    if runs.empty:
        return None
    return runs.loc[runs["metrics.mae"].idxmax(), "run_id"]


# %% q3
def sweep(data, configurations, seeds):
    ids = []
    for configuration in configurations:
        for seed in seeds:
            known = tracking.compare_runs()
            known = known[known["status"] == "FINISHED"]
            known = known[known["data_hash"] == tracking.content_hash(data)]
            known = known[known["seed"] == seed]
            for key, value in configuration.items():
                known = known[known[f"params.{key}"] == str(value)]
            if len(known):
                ids.append(known["run_id"].iloc[0])
            else:
                run = tracking.record(train, data=data, seed=seed, params=configuration, name="run")
                ids.append(run.run_id)
    return ids
