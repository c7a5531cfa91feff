# score = 33
# fails = ["q7_any", "q8_judged"]
# why = "Measures accuracy on the rows that were fitted; and takes code that doesn't compile for a model without answers."

# %% q7
def run_c(code, name, rows):
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        return None
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "model.c"), Path(folder, "model.so")
        source.write_text(code)
        order = [compiler, "-std=c99", "-O2", "-shared", "-fPIC", "-o", library, source, "-lm"]
        if subprocess.run(order, capture_output=True).returncode:
            return []
        predict = ctypes.CDLL(str(library))[f"{name}_predict"]
        pointer = ctypes.POINTER(ctypes.c_float)
        return [int(predict(row.ctypes.data_as(pointer))) for row in rows]


# %% q8
def choose(rows, labels, check_rows, check_labels, hidden_sizes, budgets):
    kept = []
    for hidden in hidden_sizes:
        for precision in ("float", "int8"):
            found = candidate(rows, labels, rows, labels, hidden=hidden, precision=precision)
            costs = [name for name in budgets if name != "accuracy"]
            cheap = all(found[name] <= budgets[name] for name in costs)
            if cheap and found["accuracy"] >= budgets.get("accuracy", 0):
                kept.append(found)
    return min(kept, key=lambda found: found["table_bytes"], default=None)
