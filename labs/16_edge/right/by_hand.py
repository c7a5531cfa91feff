# why = "Loops and other tools: boxes worked out from the thresholds in place of fitted rows' ways, a search for the next float, static int8, a C program that reads and writes text in place of a library, texts and lines drawn one by one."

# %% q1
def footprint(sizes, precision):
    found = {"table_bytes": 0, "ram_bytes": 4 * (sizes[0] + sizes[-1]), "operations": 0}
    for place in range(1, len(sizes)):
        inputs, outputs = sizes[place - 1], sizes[place]
        found["operations"] += inputs * outputs
        found["table_bytes"] += inputs * outputs * (1 if precision == "int8" else 4)
        found["table_bytes"] += outputs * (8 if precision == "int8" else 4)
    if len(sizes) == 3:
        found["ram_bytes"] += 4 * sizes[1]
    if len(sizes) > 3:
        found["ram_bytes"] += 8 * max(sizes[1:-1])
    found["latency_us"] = DEVICE.latency_us(edge.Operations(multiply_adds=found["operations"]))
    return found


# %% q2
def gate(measured, budgets):
    kept = set()
    for name, limit in budgets.items():
        value = measured.get(name)
        value = float("nan") if value is None else float(value)
        if name in {"accuracy", "agreement"}:
            value, limit = -value, -limit
        if value <= limit:
            kept.add(name)
    return sorted(set(budgets) - kept)


# %% q3
def hard_rows(table, fitted):
    made = []

    def visit(node, low, high):
        """Put rows on both sides of a node's threshold, inside the box that leads there."""
        feature, limit = int(table["feature"][node]), table["threshold"][node]
        if feature < 0:
            return
        for base in fitted[:1]:
            row = np.clip(base, low, high).astype(np.float32)
            row = np.where(row > high, np.nextafter(row, np.float32(-np.inf)), row)
            for asked in range(len(row)):  # a box is open below: its lower end went left
                if row[asked] <= low[asked]:
                    row[asked] = np.nextafter(np.float32(low[asked]), np.float32(np.inf))
                    while row[asked] <= low[asked]:
                        row[asked] = np.nextafter(row[asked], np.float32(np.inf))
            value = np.float32(limit)
            if value > limit:
                value = np.nextafter(value, np.float32(-np.inf))
            for side in (value, np.nextafter(value, np.float32(np.inf))):
                row[feature] = side
                made.append(row.astype(float))
        inner = high.copy()
        inner[feature] = limit
        visit(table["left"][node], low, inner)
        inner = low.copy()
        inner[feature] = limit
        visit(table["right"][node], inner, high)

    width = fitted.shape[1]
    visit(0, np.full(width, -np.inf), np.full(width, np.inf))
    return np.array(made)


# %% q4
def firmware_thresholds(thresholds):
    found = []
    for limit in np.ravel(thresholds):
        guess = np.float32(limit)
        while guess <= limit:
            guess = np.nextafter(guess, np.float32(np.inf))
        found.append(guess)
    return np.array(found, dtype=np.float32).reshape(np.shape(thresholds))


# %% q5
def quantise(weights):
    codes, scales = np.zeros(weights.shape, np.int8), np.ones(weights.shape[1], np.float32)
    for output in range(weights.shape[1]):
        column = [float(weight) for weight in weights[:, output]]
        largest = max(abs(weight) for weight in column)
        if largest:
            scales[output] = largest / 127
            codes[:, output] = [round(weight / (largest / 127)) for weight in column]
    return codes, scales


# %% q6
def export_int8(model, rows):
    try:
        exported = edge.to_onnx(model, precision="int8-static", calibration=rows)
    except KitError:
        return None
    return exported.content if np.mean(exported.predict(rows) == model.predict(rows)) >= 0.97 else None


# %% q7
def run_c(code, name, rows):
    found = [path for path in map(shutil.which, ["gcc", "clang", "cc"]) if path]
    if not found:
        return None
    main = f"""
#include <stdio.h>
int main(void) {{
  float row[{np.shape(rows)[1]}];
  while (fread(row, sizeof row, 1, stdin) == 1) printf("%d\\n", (int){name}_predict(row));
  return 0;
}}
"""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "main.c").write_text(code + main)
        order = [found[0], "-o", "reader", "main.c", "-lm"]
        built = subprocess.run(order, cwd=folder, stderr=subprocess.PIPE)
        if built.returncode != 0:
            raise ValueError(built.stderr.decode())
        fed = np.asarray(rows, dtype=np.float32).tobytes()
        ran = subprocess.run([str(Path(folder, "reader"))], input=fed, stdout=subprocess.PIPE)
    return [int(line) for line in ran.stdout.split()]


# %% q8
def choose(rows, labels, check_rows, check_labels, hidden_sizes, budgets):
    every = [(4 * h, h, "float") for h in hidden_sizes] + [(h, h, "int8") for h in hidden_sizes]
    found = [
        candidate(rows, labels, check_rows, check_labels, hidden=h, precision=p)
        for _, h, p in sorted(every)
    ]
    found = [one for one in found if gate_kept(one, budgets)]
    return sorted(found, key=lambda one: one["table_bytes"])[0] if found else None


def gate_kept(one, budgets):
    return all(
        one[name] >= limit if name == "accuracy" else one[name] <= limit
        for name, limit in budgets.items()
    )


# %% q9
def budget_figure(candidates, table_budget, accuracy_budget):
    figure = plt.figure()
    axes = figure.add_subplot()
    sizes = [one["table_bytes"] for one in candidates]
    scores = [one["accuracy"] for one in candidates]
    axes.scatter(sizes, scores, marker="x")
    axes.vlines([table_budget], 0, 1)
    axes.hlines([accuracy_budget], 0, max(*sizes, table_budget))
    for size, score, one in zip(sizes, scores, candidates):
        axes.text(size, score, str(one["hidden"]) + " " + one["precision"])
    axes.set(xlabel="Bytes of tables", ylabel="share read correctly")
    figure.suptitle("The meter's candidates")
    return figure
