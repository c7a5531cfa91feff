# score = 28
# fails = ["q5_traps", "q6_table", "q6_honest"]
# why = "Believes a run that failed after logging a perfect score; and ranks configurations by their luckiest seed."

# %% q5
def best_run_id(data_hash, where=None):
    runs = tracking.compare_runs()
    runs = runs[runs["data_hash"] == data_hash]
    for key, value in (where or {}).items():
        runs = runs[runs[f"params.{key}"].astype(str) == str(value)]
    runs = runs.dropna(subset=["metrics.mae"])
    if runs.empty:
        return None
    return runs.loc[runs["metrics.mae"].idxmin(), "run_id"]


# %% q6
def leaderboard(runs):
    runs = runs.drop_duplicates(["depth", "trees", "seed"])
    board = runs.groupby(["depth", "trees"])["mae"].agg(["count", "min", "std"]).reset_index()
    board.columns = ["depth", "trees", "seeds", "mae_mean", "mae_std"]
    board = board[board["seeds"] > 1].sort_values("mae_mean", ignore_index=True)
    limit = board["mae_mean"][0] + board["mae_std"][0] / board["seeds"][0] ** 0.5
    board["tied"] = board["mae_mean"] <= limit
    return board
