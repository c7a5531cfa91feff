# why = "NumPy for the counts, a walk down the tree with all rows, a step at a time to the next threshold, the better of two int8 files, a C program that reads rows and prints answers, the gate for the choice, pandas for the figure."

# %% q1
def footprint(sizes, precision):
    s = np.asarray(sizes)
    w = int(np.dot(s[:-1], s[1:]))
    b = int(s[1:].sum())
    per_weight, per_output = {"float": (4, 4), "int8": (1, 8)}[precision]
    h = s[1:-1]
    buf = 0 if h.size == 0 else h.max() * (1 if h.size == 1 else 2)
    return dict(table_bytes=per_weight * w + per_output * b, ram_bytes=np.int64(4 * (s[0] + s[-1] + buf)), operations=w, latency_us=5 * w / 64.0)

# %% q2
def gate(measured, budgets):
    def keeps(name):
        try:
            v = float(measured[name])
        except (KeyError, TypeError, ValueError):
            return False
        return v >= budgets[name] if name in {"accuracy", "agreement"} else v <= budgets[name]
    return sorted(n for n in budgets if not keeps(n))

# %% q3
def hard_rows(table, fitted):
    # per node one row that passes it: walk the whole set down, node by node
    feature, thr = np.asarray(table["feature"]), np.asarray(table["threshold"], dtype=np.float64)
    left, right = np.asarray(table["left"]), np.asarray(table["right"])
    X = np.asarray(fitted).astype(np.float32)
    rows = []
    stack = [(0, np.arange(len(X)))]
    while stack:
        node, idx = stack.pop()
        f = feature[node]
        if f < 0:
            rows.append(X[idx[0]])
            continue
        t = np.float32(thr[node])
        lo = t if float(t) <= thr[node] else np.nextafter(t, np.float32(-np.inf))
        hi = np.nextafter(lo, np.float32(np.inf))
        for i in idx[[0, -1]]:
            for v in (lo, hi):
                r = X[i].copy(); r[f] = v
                rows.append(r)
        go = X[idx, f] <= thr[node]
        stack.append((left[node], idx[go]))
        stack.append((right[node], idx[~go]))
    return np.vstack(rows)[:1000]

# %% q4
def firmware_thresholds(thresholds):
    out = np.empty(np.shape(thresholds), dtype=np.float32)
    flat = out.ravel()
    for i, t in enumerate(np.ravel(thresholds)):
        f = np.float32(t)
        while float(f) <= t:
            f = np.nextafter(f, np.float32(np.inf))
        flat[i] = f
    return flat.reshape(np.shape(thresholds))

# %% q5
def quantise(weights):
    codes, scales = [], []
    for column in np.asarray(weights, dtype=float).T:
        s = np.float32(max(abs(column)) / 127) or np.float32(1.0)
        codes.append([int(round(float(w) / float(s))) for w in column])
        scales.append(s)
    return [np.clip(np.array(codes).T, -127, 127).astype("int8"), np.array(scales, dtype="float32")]

# %% q6
def export_int8(model, rows):
    best = None
    for how in ("int8-static", "int8-dynamic"):
        try:
            e = edge.to_onnx(model, precision=how, **({"calibration": rows} if how == "int8-static" else {}))
        except KitError:
            return None
        share = np.mean(np.asarray(e.predict(rows)) == model.predict(rows))
        if share >= 0.97 and (best is None or share > best[0]):
            best = (share, bytes(e.content))
    return best[1] if best else None

# %% q7
def run_c(code, name, rows):
    cc = shutil.which("clang") or shutil.which("gcc") or shutil.which("cc")
    if not cc:
        return None
    rows = np.asarray(rows).astype(np.float32)
    main = f'''
#include <stdio.h>
#include <stdint.h>
int32_t {name}_predict(const float *features);
int main(void) {{ float x[{rows.shape[1]}]; while (fread(x, 4, {rows.shape[1]}, stdin) == {rows.shape[1]}) printf("%d\\n", (int){name}_predict(x)); return 0; }}
'''
    folder = tempfile.mkdtemp()
    try:
        a, b, exe = Path(folder) / "a.c", Path(folder) / "b.c", Path(folder) / "m"
        a.write_text(code); b.write_text(main)
        r = subprocess.run([cc, "-std=c99", "-O1", str(a), str(b), "-o", str(exe), "-lm"], capture_output=True)
        if r.returncode != 0:
            raise ValueError(r.stderr.decode(errors="replace"))
        out = subprocess.run([str(exe)], input=rows.tobytes(order="C"), capture_output=True, check=True).stdout
        return [int(v) for v in out.split()]
    finally:
        shutil.rmtree(folder)

# %% q8
def choose(rows, labels, check_rows, check_labels, hidden_sizes, budgets):
    best = None
    for precision in ("int8", "float"):
        for hidden in sorted(hidden_sizes):
            c = candidate(rows, labels, check_rows, check_labels, hidden=hidden, precision=precision)
            if gate(c, budgets):
                continue
            if best is None or c["table_bytes"] < best["table_bytes"]:
                best = c
    return best

# %% q9
def budget_figure(candidates, table_budget, accuracy_budget):
    import pandas as pd
    t = pd.DataFrame(candidates)
    ax = t.plot.scatter(x="table_bytes", y="accuracy", marker="^")
    for r in t.itertuples():
        ax.text(r.table_bytes, r.accuracy, f" {r.hidden} {r.precision} ")
    ax.plot([table_budget] * 2, [0, 1], "k:")
    lo, hi = ax.get_xlim()
    ax.plot([lo, hi], [accuracy_budget, accuracy_budget], "k--")
    ax.set_xlabel("Bytes of tables"); ax.set_ylabel("accuracy"); ax.set_title("budgets", loc="right")
    return ax.figure
