# score = 31
# fails = ["q6_honest", "q7_drawn"]
# why = "Calls everything within one standard deviation a tie, not one standard error; and draws points without their spread."

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
