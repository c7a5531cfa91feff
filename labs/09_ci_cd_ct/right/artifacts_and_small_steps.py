# why = "Separate jobs hand the model on as an artifact; conditions and the token stand at each step; each command of the shell has its own way back."

# %% q1
def data_problems(rows):
    from math import isfinite
    from statistics import median

    ranges = {"hour": (0, 23), "km": (0.2, 60), "minutes": (1, 180)}
    fields = {"id", "day", *ranges}
    if len(rows) < 100:
        return ["too few rows"]
    for row in rows:
        if row.keys() != fields:
            return [f"fields {sorted(row)}"]
        for name, value in row.items():
            if not isinstance(value, (int, float)) or not isfinite(value):
                return [f"{name} is {value!r}"]
            low, high = ranges.get(name, (value, value))
            if value < low or value > high or (name == "hour" and value % 1):
                return [f"{name} is {value}"]
    if len({row["id"] for row in rows}) != len(rows):
        return ["an id twice"]
    days = sorted({row["day"] for row in rows})
    speed = {
        day: median(60 * row["km"] / row["minutes"] for row in rows if row["day"] == day)
        for day in days
    }
    return [f"day {day}" for day in days if speed[day] < 18 or speed[day] > 32]

# %% q4
def checks():
    return """
on:
  push:
  pull_request:
  schedule:
    - cron: "0 4 * * *"
jobs:
  contract:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: python ci/check_contract.py
  data:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: python ci/check_data.py
  train:
    needs: data
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: python train.py
      - uses: actions/upload-artifact@v4
        with: {name: model, path: model.json}
  model:
    needs: [train]
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/download-artifact@v4
        with: {name: model}
      - run: python ci/check_model.py
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
  release:
    needs: [check]
    if: ${{ github.ref_name == 'main' && github.event_name == 'push' }}
    runs-on: ubuntu-latest
    steps:
      - run: |
          python ci/release.py canary
          python ci/watch.py
          python ci/release.py full
        env:
          TOKEN: ${{ secrets.TOKEN }}
      - run: python ci/release.py back
        if: ${{ failure() }}
        env:
          TOKEN: ${{ secrets.TOKEN }}
"""

# %% q6
def delivery_gitlab():
    return """
stages:
  - check
  - release
test:
  stage: check
  script: python ci/check_all.py
ship:
  stage: release
  script:
    - python ci/release.py canary || { python ci/release.py back; exit 1; }
    - python ci/watch.py || { python ci/release.py back; exit 1; }
    - python ci/release.py full || { python ci/release.py back; exit 1; }
  rules:
    - if: '$CI_COMMIT_BRANCH == "main" && $CI_PIPELINE_SOURCE == "push"'
"""
