# why = "Whole arrays at once: fitted rows set on every threshold of their way, limits by comparing after rounding, scales by broadcasting, the runtime's own quantiser, one compiled library called through a pointer table, a frame-free choice by the sorted order of sizes."

# %% q3
def hard_rows(table, fitted):
    limits = np.asarray(table["threshold"])
    low = limits.astype(np.float32)
    low -= np.where(low > limits, np.spacing(np.abs(low)), 0).astype(np.float32)
    low = np.where(low > limits, np.nextafter(low, np.float32(-np.inf)), low)
    high = np.nextafter(low, np.float32(np.inf))
    seen, made = set(), []
    node = np.zeros(len(fitted), dtype=int)
    while (table["feature"][node] >= 0).any():
        for at in np.unique(node[table["feature"][node] >= 0]):
            if at in seen:
                continue
            seen.add(at)
            some = fitted[node == at][:3].astype(np.float32)
            for value in (low[at], high[at]):
                changed = some.copy()
                changed[:, table["feature"][at]] = value
                made.append(changed)
        feature = table["feature"][node]
        asked = fitted[np.arange(len(fitted)), np.maximum(feature, 0)]
        step = np.where(asked <= limits[node], table["left"][node], table["right"][node])
        node = np.where(feature >= 0, step, node)
    return np.concatenate(made)[:1000]


# %% q4
def firmware_thresholds(thresholds):
    near = np.float32(thresholds)
    up = np.nextafter(near, np.float32("inf"))
    return np.where(near.astype(np.float64) <= thresholds, up, near)


# %% q5
def quantise(weights):
    scales = np.float32(np.maximum(np.abs(weights).max(0), 0) / 127)
    scales[scales == 0] = 0.5
    return np.round(weights / scales[None]).clip(-127, 127).astype("int8"), scales


# %% q6
def export_int8(model, rows):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "a.onnx"), Path(folder, "b.onnx")
        exported = edge.to_onnx(model)
        if "MatMul" not in exported.operators:
            return None
        exported.save(before)
        quantize_dynamic(before, after, weight_type=QuantType.QUInt8)
        small = edge.load_onnx(after)
    same = (small.predict(rows) == model.predict(rows)).mean()
    return small.content if same >= 0.97 else None


# %% q7
def run_c(code, name, rows):
    try:
        compiler = edge.compiler()
    except KitError:
        return None
    loop = f"""
void all_rows(const float *rows, int count, int width, int *out) {{
  for (int i = 0; i < count; i++) out[i] = {name}_predict(rows + i * width);
}}
"""
    rows = np.array(rows, dtype=np.float32, order="C")
    out = np.zeros(len(rows), dtype=np.int32)
    with tempfile.TemporaryDirectory() as folder:
        built = os.path.join(folder, "all.so")
        done = subprocess.run(
            [compiler, "-xc", "-", "-shared", "-fPIC", "-o", built, "-lm"],
            input=code + loop,
            text=True,
            capture_output=True,
        )
        if done.returncode:
            raise ValueError(done.stderr)
        ctypes.CDLL(built).all_rows(
            rows.ctypes.data_as(ctypes.c_void_p), *rows.shape, out.ctypes.data_as(ctypes.c_void_p)
        )
    return out.tolist()


# %% q8
def choose(rows, labels, check_rows, check_labels, hidden_sizes, budgets):
    data = (rows, labels, check_rows, check_labels)
    kept = {}
    for hidden in sorted(hidden_sizes):
        for precision in ("int8", "float"):
            one = candidate(*data, hidden=hidden, precision=precision)
            if not gate(one, budgets):
                kept[one["table_bytes"]] = one
    return kept[min(kept)] if kept else None
