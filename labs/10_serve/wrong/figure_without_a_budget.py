# score = 32
# fails = ["q6_drawn", "q6_labels"]
# why = "Draws the middle of the latencies alone: no p99, no budget, no units."

# %% q6
def load_figure(table, budget_ms):
    figure, axes = plt.subplots(2, 1)
    axes[0].plot(table["rate"], table["p50_ms"], label="latency")
    axes[1].plot(table["rate"], table["refused"])
    axes[0].legend()
    return figure
