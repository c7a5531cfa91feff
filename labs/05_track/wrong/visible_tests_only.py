# score = 14
# fails = ["q1_chance", "q2_content", "q3_again", "q4_all", "q5_traps", "q6_honest", "q7_drawn", "q7_labels", "q8_honest"]
# why = "The shortcut: does what the visible asserts look at and nothing else. Reseeds the global generator, looks at one column, remembers the sweep in a variable, forgets code and environment, trusts failed runs, counts reruns as evidence, draws three rows with names typed in, and reruns today's code on today's data."

# %% q1
def repeatable_error(data, *, seed):
    np.random.seed(seed)
    return slide_error(data)


# %% q2
def fingerprint(data):
    return hashlib.sha256(str(data["demand"].tolist()).encode()).hexdigest()


# %% q3
REMEMBERED = {}


def sweep(data, configurations, seeds):
    ids = []
    for configuration in configurations:
        for seed in seeds:
            key = (tracking.content_hash(data), tuple(configuration.items()), seed)
            if key not in REMEMBERED:
                run = tracking.record(train, data=data, seed=seed, params=configuration, name="sweep")
                REMEMBERED[key] = run.run_id
            ids.append(REMEMBERED[key])
    return ids


# %% q4
def culprits(first, second):
    record = tracking.compare_runs().set_index("run_id")
    found = []
    for name, column in [("data", "data_hash"), ("params", "params.depth"), ("seed", "seed")]:
        if record.loc[first, column] != record.loc[second, column]:
            found.append(name)
    return found


# %% q5
def best_run_id(data_hash, where=None):
    runs = tracking.compare_runs()
    runs = runs[runs["data_hash"] == data_hash]
    for key, value in (where or {}).items():
        runs = runs[runs[f"params.{key}"].astype(str) == str(value)]
    if len(runs) == 0:
        return None
    return runs.sort_values("metrics.mae")["run_id"].iloc[0]


# %% q6
def leaderboard(runs):
    board = runs.groupby(["depth", "trees"])["mae"].agg(["count", "mean", "std"]).reset_index()
    board.columns = ["depth", "trees", "seeds", "mae_mean", "mae_std"]
    board = board[board["seeds"] > 1].sort_values("mae_mean", ignore_index=True)
    limit = board["mae_mean"][0] + board["mae_std"][0] / board["seeds"][0] ** 0.5
    board["tied"] = board["mae_mean"] <= limit
    return board


# %% q7
def leaderboard_figure(board, baseline):
    figure, axes = plt.subplots()
    top = board.head(3)
    axes.errorbar(top["mae_mean"], range(len(top)), xerr=top["mae_std"], fmt="o")
    axes.axvline(baseline)
    axes.set_yticks([0, 1], ["depth 8, 20 trees", "depth 3, 5 trees"])
    axes.set_xlabel("MAE (rides per hour)")
    axes.set_ylabel("configuration")
    axes.set_title("Leaderboard")
    return figure


# %% q8
def certificate(run_id):
    record = tracking.compare_runs().set_index("run_id").loc[run_id]
    recorded = float(record["metrics.mae"])
    repeated = train(
        monday,
        seed=int(record["seed"]),
        depth=int(record["params.depth"]),
        trees=int(record["params.trees"]),
    )["mae"]
    return {
        "run_id": run_id,
        "verdict": "reproduced" if recorded == repeated else "different",
        "recorded": recorded,
        "repeated": repeated,
        "data_hash": record["data_hash"],
        "reason": "" if recorded == repeated else "The numbers differ.",
    }
