# why = "Plain Python and NumPy: a generator of its own handed from step to step, loops in place of groupby, pandas' row hashes chained by hand, upright error bars with the baseline drawn as a line of points."

# %% q1
def repeatable_error(data, *, seed):
    from sklearn.tree import ExtraTreeRegressor

    chance = np.random.default_rng(seed)
    columns = [data["hour"], data["weekday"], data["temperature_c"], pd.factorize(data["zone"])[0]]
    features = np.column_stack([np.asarray(column, dtype=float) for column in columns])
    demand = data["demand"].to_numpy()
    rows = chance.permutation(len(data))[: round(0.9 * len(data))]
    cut = round(0.75 * len(rows))
    fitted, held_out = rows[:cut], rows[cut:]
    tree = ExtraTreeRegressor(max_depth=8, random_state=int(chance.integers(2**31)))
    tree.fit(features[fitted], demand[fitted])
    return np.abs(demand[held_out] - tree.predict(features[held_out])).mean()


# %% q2
def fingerprint(data):
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(data.columns, key=str):
        digest.update(f"<{name}>".encode())
        for value in data[name].tolist():
            digest.update(repr(value).encode() + b";")
    return digest.hexdigest()


# %% q4
def culprits(first, second):
    rows = {row["run_id"]: row for row in tracking.compare_runs().to_dict("records")}

    def ingredients(run_id):
        row = rows[run_id]
        params = {
            key: value
            for key, value in row.items()
            if key.startswith("params.") and not pd.isna(value)
        }
        return {
            "code": row["code_hash"],
            "data": row["data_hash"],
            "environment": row["environment"],
            "params": params,
            "seed": row["seed"],
        }

    one, other = ingredients(first), ingredients(second)
    return [key for key in sorted(one) if one[key] != other[key]]


# %% q6
def leaderboard(runs):
    errors = {}
    for row in runs.to_dict("records"):
        errors.setdefault((row["depth"], row["trees"]), {})[row["seed"]] = row["mae"]
    rows = []
    for (depth, trees), by_seed in errors.items():
        values = np.array(list(by_seed.values()))
        if len(values) > 1:
            rows.append([depth, trees, len(values), values.mean(), values.std(ddof=1)])
    rows.sort(key=lambda row: row[3])
    limit = rows[0][3] + rows[0][4] / rows[0][2] ** 0.5
    names = ["depth", "trees", "seeds", "mae_mean", "mae_std", "tied"]
    return pd.DataFrame([[*row, row[3] <= limit] for row in rows], columns=names)


# %% q7
def leaderboard_figure(board, baseline):
    figure = plt.figure(figsize=(8, 4))
    axes = figure.add_subplot()
    names = [f"depth {d}, {t} trees" for d, t in zip(board["depth"], board["trees"])]
    places = list(range(len(board)))
    axes.bar(places, board["mae_mean"], yerr=board["mae_std"], color="lightgrey", edgecolor="black")
    axes.plot([-0.5, len(board) - 0.5], [baseline, baseline], "k:", label="last week's rides")
    axes.set_xticks(places)
    axes.set_xticklabels(names, rotation=20)
    axes.set(xlabel="Forest", ylabel="MAE in rides per hour")
    figure.suptitle("Demand model")
    figure.legend()
    return figure
