# score = 29
# fails = ["q1_same", "q1_chance", "q6_honest"]
# why = "Sees one of several: pins the tree alone, while the draw of the rows and the split stay free; and takes the depth for the whole configuration."

# %% q1
def repeatable_error(data, *, seed):
    from sklearn.model_selection import train_test_split
    from sklearn.tree import ExtraTreeRegressor

    columns = ["hour", "weekday", "temperature_c", "zone_number", "demand"]
    table = data.assign(zone_number=pd.factorize(data["zone"])[0])[columns]
    table = table.sample(frac=0.9)
    fitted, held_out = train_test_split(table.to_numpy(), test_size=0.25)
    tree = ExtraTreeRegressor(max_depth=8, random_state=seed)
    tree.fit(fitted[:, :4], fitted[:, 4])
    forecast = tree.predict(held_out[:, :4])
    return float(abs(held_out[:, 4] - forecast).mean())


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
