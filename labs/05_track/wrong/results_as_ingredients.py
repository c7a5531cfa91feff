# score = 27
# fails = ["q4_one", "q4_all", "q5_query", "q5_traps"]
# why = "Counts a metric that differs as a parameter that differs; and looks for the largest error, as if it were an accuracy."

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
