# score = 34
# fails = ["q1_float", "q1_int8", "q9_labels"]
# why = "Counts weights and forgets biases and their scales; and tells candidates apart by colour alone."

# %% q1
def footprint(sizes, precision):
    weights = sum(a * b for a, b in pairwise(sizes))
    hidden = sizes[1:-1]
    return {
        "table_bytes": weights * (4 if precision == "float" else 1),
        "ram_bytes": 4 * (sizes[0] + max(hidden, default=0) * min(len(hidden), 2) + sizes[-1]),
        "operations": weights,
        "latency_us": weights * 5 / 64,
    }


# %% q9
def budget_figure(candidates, table_budget, accuracy_budget):
    figure, axes = plt.subplots()
    sizes = [one["table_bytes"] for one in candidates]
    axes.scatter(sizes, [one["accuracy"] for one in candidates], c=range(len(candidates)))
    axes.axvline(table_budget)
    axes.axhline(accuracy_budget)
    axes.set(xlabel="tables (bytes)", ylabel="accuracy", title="Candidates")
    return figure
