# score = 29
# fails = ["q1_chance", "q6_honest", "q7_drawn"]
# why = "Generous throughout: measures the error on rows that were fitted, calls everything within one standard deviation a tie (not one standard error), and draws points without their spread."

# %% q6
def leaderboard(runs):
    runs = runs.drop_duplicates(["depth", "trees", "seed"])
    board = runs.groupby(["depth", "trees"])["mae"].agg(["count", "mean", "std"]).reset_index()
    board.columns = ["depth", "trees", "seeds", "mae_mean", "mae_std"]
    board = board[board["seeds"] > 1].sort_values("mae_mean", ignore_index=True)
    board["tied"] = board["mae_mean"] <= board["mae_mean"][0] + board["mae_std"][0]
    return board


# %% q7
def leaderboard_figure(board, baseline):
    figure, axes = plt.subplots()
    names = [f"depth {row.depth}, {row.trees} trees" for row in board.itertuples()]
    axes.plot(names, board["mae_mean"], "o")
    axes.axhline(baseline, linestyle="--")
    axes.set_xlabel("configuration")
    axes.set_ylabel("MAE (rides per hour)")
    axes.set_title("Leaderboard")
    return figure


# %% q1
def repeatable_error(data, *, seed):
    from sklearn.model_selection import train_test_split
    from sklearn.tree import ExtraTreeRegressor

    columns = ["hour", "weekday", "temperature_c", "zone_number", "demand"]
    table = data.assign(zone_number=pd.factorize(data["zone"])[0])[columns]
    table = table.sample(frac=0.9, random_state=seed)
    _, held_out = train_test_split(table.to_numpy(), test_size=0.25, random_state=seed)
    tree = ExtraTreeRegressor(max_depth=8, random_state=seed)
    rows = table.to_numpy()
    tree.fit(rows[:, :4], rows[:, 4])
    forecast = tree.predict(held_out[:, :4])
    return float(abs(held_out[:, 4] - forecast).mean())
