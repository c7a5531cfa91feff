# score = 29
# fails = ["q1_same", "q1_chance", "q6_honest"]
# why = "Sees one of several: pins the forest alone, while the draw of the rows and the split stay free; and takes the depth for the whole configuration."

# %% q1
def repeatable_error(data, *, seed):
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.model_selection import train_test_split

    features = ["hour", "weekday", "temperature_c", "zone_number"]
    table = data.assign(zone_number=pd.factorize(data["zone"])[0])
    table = table.sample(frac=0.9)
    fitted, held_out = train_test_split(table, test_size=0.25)
    forest = RandomForestRegressor(n_estimators=10, max_depth=8, random_state=seed)
    forest.fit(fitted[features], fitted["demand"])
    forecast = forest.predict(held_out[features])
    return float(abs(held_out["demand"] - forecast).mean())


# %% q6
def leaderboard(runs):
    runs = runs.drop_duplicates(["depth", "trees", "seed"])
    board = runs.groupby("depth").agg(
        trees=("trees", "first"),
        seeds=("seed", "nunique"),
        mae_mean=("mae", "mean"),
        mae_std=("mae", "std"),
    )
    board = board[board["seeds"] > 1].reset_index().sort_values("mae_mean", ignore_index=True)
    limit = board["mae_mean"][0] + board["mae_std"][0] / board["seeds"][0] ** 0.5
    board["tied"] = board["mae_mean"] <= limit
    return board
