# score = 28
# fails = ["q4_played", "q4_order", "q4_whole"]
# why = "Pipes each check into a log: the exit code is the log's."

# %% q4
def checks():
    return """
on: [push, pull_request, schedule]
jobs:
  model:
    runs-on: ubuntu-latest
    steps:
      - run: python ci/check_data.py | tee data.log
      - run: python train.py | tee train.log
      - run: python ci/check_model.py | tee model.log
  contract:
    runs-on: ubuntu-latest
    steps:
      - run: python ci/check_contract.py 2>&1 | tee contract.log
"""
