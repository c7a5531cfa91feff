# score = 31
# fails = ["q6_honest", "q7_labels"]
# why = "Counts a seed that was run again as new evidence; and draws a figure whose axis has no unit."

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
    names = [f"depth {row.depth}, {row.trees} trees" for row in board.itertuples()]
    axes.errorbar(names, board["mae_mean"], yerr=board["mae_std"], fmt="o", capsize=4)
    axes.axhline(baseline, linestyle="--")
    axes.set_xlabel("configuration")
    axes.set_ylabel("MAE")
    axes.set_title("Leaderboard")
    return figure
