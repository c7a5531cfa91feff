# score = 19
# fails = ["q1_int8", "q2_closed", "q3_all", "q4_every", "q6_judged", "q7_any", "q8_judged", "q9_labels"]
# why = "The two widest layers for twice the widest, the better way round by a name's first letter, rows that needn't pass their node, a step that forgets the rounding, fifty rows for all, a compiler told to be careless, an equal budget refused, names in one heap."

# %% q1
def footprint(sizes, precision):
    weights = sum(sizes[i] * sizes[i + 1] for i in range(len(sizes) - 1))
    outputs = sum(sizes[1:])
    hidden = sizes[1:-1]
    buffers = sum(sorted(hidden)[-2:])
    table = 4 * (weights + outputs) if precision == "float" else weights + 8 * outputs
    return {"table_bytes": table, "ram_bytes": 4 * (sizes[0] + buffers + sizes[-1]), "operations": weights, "latency_us": weights * 5 / 64}

# %% q2
def gate(measured, budgets):
    broken = []
    for name, limit in budgets.items():
        value = measured.get(name)
        if value is None or value != value:
            broken.append(name)
        elif name.startswith("a"):
            if value < limit: broken.append(name)
        elif value > limit:
            broken.append(name)
    return sorted(broken)

# %% q3
def hard_rows(table, fitted):
    made = []
    for node in np.flatnonzero(table["feature"] >= 0):
        f = table["feature"][node]
        below = np.float32(table["threshold"][node])
        for value in (below, np.nextafter(below, np.float32(np.inf))):
            row = fitted[node % len(fitted)].astype(np.float32)
            row[f] = value
            made.append(row)
    made += list(fitted[:400].astype(np.float32))
    return np.array(made[:1000])

# %% q4
def firmware_thresholds(thresholds):
    return np.nextafter(np.asarray(thresholds, dtype=np.float32), np.float32(np.inf))

# %% q6
def export_int8(model, rows):
    try:
        exported = edge.to_onnx(model, precision="int8-dynamic")
    except EdgeError:
        return None
    return exported.content if edge.parity(model, exported, rows[:50], corners=False).agreement > 0.9 else None

# %% q7
LOADED = {}
def run_c(code, name, rows):
    compiler = shutil.which("gcc")
    if compiler is None:
        return None
    folder = tempfile.mkdtemp()
    (Path(folder) / "model.c").write_text(code)
    done = subprocess.run([compiler, "-shared", "-fPIC", "-Ofast", "-o", f"{folder}/m.so", f"{folder}/model.c", "-lm"], capture_output=True, text=True)
    if done.returncode:
        raise ValueError(done.stderr)
    f = getattr(ctypes.CDLL(f"{folder}/m.so"), f"{name}_predict")
    out = []
    for row in np.asarray(rows):
        out.append(f((ctypes.c_float * len(row))(*row)))
    return out

# %% q8
def choose(rows, labels, check_rows, check_labels, hidden_sizes, budgets):
    best = None
    for hidden in hidden_sizes:
        for precision in ("float", "int8"):
            c = candidate(rows, labels, check_rows, check_labels, hidden=hidden, precision=precision)
            if any(c[n] >= budgets[n] for n in budgets if n != "accuracy"):
                continue
            if c["accuracy"] < budgets.get("accuracy", 0):
                continue
            if best is None or c["hidden"] < best["hidden"] or (c["hidden"] == best["hidden"] and precision == "int8"):
                best = c
    return best

# %% q9
def budget_figure(candidates, table_budget, accuracy_budget):
    fig, ax = plt.subplots()
    for c in candidates:
        ax.scatter(c["table_bytes"], c["accuracy"], color="red" if c["precision"] == "int8" else "green")
        ax.text(4000, 0.5, f"{c['hidden']} {c['precision']}")
    ax.axvline(table_budget); ax.axhline(accuracy_budget)
    ax.set(xlabel="bytes", ylabel="accuracy", title="t")
    return fig
