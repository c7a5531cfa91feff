# why = "One job in which the contract's step runs always, and a job of its own that goes back."

# %% q2
def model_problems(old, new):
    import math

    count = len(new)
    if count < 100 or count != len(old):
        return ["can't be compared"]
    if any(not (0 <= error < math.inf) for error in [*old, *new]):
        return ["can't be judged"]
    gains = [a - b for a, b in zip(old, new)]
    mean = math.fsum(gains) / count
    error = math.sqrt(math.fsum((gain - mean) ** 2 for gain in gains) / (count - 1) / count)
    more = sum(b > 5 for b in new) - sum(a > 5 for a in old)
    return ["worse"] * (mean - 2 * error < -0.1) + ["big misses"] * (more * 100 > count)

# %% q3
def contract_problems(before, after):
    def narrower(wide, narrow):
        return wide != narrow and (wide, narrow) != ("number", "integer")

    asked, asks = before["request"], after["request"]
    gave, gives = before["response"], after["response"]
    missing = {"required": False}
    return (
        [n for n in asks if asks[n]["required"] and not asked.get(n, missing)["required"]]
        + [n for n in asks if n in asked and narrower(asks[n]["type"], asked[n]["type"])]
        + [n for n in gave if n not in gives]
        + [n for n in gave if n in gives and narrower(gave[n]["type"], gives[n]["type"])]
        + [n for n in gave if gave[n]["required"] and not gives.get(n, missing)["required"]]
    )

# %% q4
def checks():
    return """
on: [push, pull_request, schedule]
jobs:
  all:
    runs-on: ubuntu-latest
    steps:
      - run: |
          python ci/check_data.py
          python train.py
          python ci/check_model.py
      - if: always()
        run: python ci/check_contract.py
"""

# %% q5
def delivery():
    return """
on: [push, pull_request, schedule]
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - run: python ci/check_all.py
  out:
    needs: check
    if: github.event_name == 'push' && github.ref_name == 'main'
    runs-on: ubuntu-latest
    env: {TOKEN: "${{ secrets.TOKEN }}"}
    steps:
      - run: python ci/release.py canary && python ci/watch.py && python ci/release.py full
  back:
    needs: [check, out]
    if: failure() && needs.check.result == 'success'
    runs-on: ubuntu-latest
    env: {TOKEN: "${{ secrets.TOKEN }}"}
    steps:
      - run: python ci/release.py back
"""
