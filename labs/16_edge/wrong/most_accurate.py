# score = 32
# fails = ["q8_fits", "q8_judged", "q9_drawn", "q9_labels"]
# why = "Chooses the most accurate candidate that fits instead of the smallest that is accurate enough; and draws accuracy along x, without a unit."

# %% q8
def choose(rows, labels, check_rows, check_labels, hidden_sizes, budgets):
    best = None
    for hidden in hidden_sizes:
        for precision in ("int8", "float"):
            found = candidate(
                rows, labels, check_rows, check_labels, hidden=hidden, precision=precision
            )
            costs = [name for name in budgets if name != "accuracy"]
            if any(found[name] > budgets[name] for name in costs):
                continue
            if found["accuracy"] >= budgets.get("accuracy", 0):
                if best is None or found["accuracy"] > best["accuracy"]:
                    best = found
    return best


# %% q9
def budget_figure(candidates, table_budget, accuracy_budget):
    figure, axes = plt.subplots()
    for one in candidates:
        axes.plot(one["accuracy"], one["table_bytes"], "o")
        name = f"{one['hidden']} {one['precision']}"
        axes.text(one["accuracy"], one["table_bytes"], name)
    axes.axhline(table_budget)
    axes.axvline(accuracy_budget)
    axes.set_xlabel("accuracy")
    axes.set_ylabel("size")
    axes.set_title("Candidates")
    return figure
