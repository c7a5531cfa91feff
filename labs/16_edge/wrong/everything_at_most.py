# score = 33
# fails = ["q1_int8", "q2_open", "q2_closed"]
# why = "Takes every budget for a cost, so a bad accuracy passes and a good one doesn't; and squeezes the biases into a byte too."

# %% q1
def footprint(sizes, precision):
    weights = sum(a * b for a, b in pairwise(sizes))
    numbers = weights + sum(sizes[1:])
    hidden = sizes[1:-1]
    return {
        "table_bytes": numbers * (4 if precision == "float" else 1),
        "ram_bytes": 4 * (sizes[0] + max(hidden, default=0) * min(len(hidden), 2) + sizes[-1]),
        "operations": weights,
        "latency_us": weights * 5 / 64,
    }


# %% q2
def gate(measured, budgets):
    return sorted(
        name for name, limit in budgets.items() if not (measured.get(name) or 0) <= limit
    )
