# why = "Every step may fail and a last one judges; releases are jobs of their own, and the way back looks at all of them."

# %% q4
def checks():
    return """
on: {push: , pull_request: , schedule: [{cron: "0 0 * * *"}]}
jobs:
  all:
    runs-on: ubuntu-latest
    steps:
      - {id: contract, run: python ci/check_contract.py, continue-on-error: true}
      - {id: data, run: python ci/check_data.py, continue-on-error: true}
      - id: train
        if: steps.data.outcome == 'success'
        run: python train.py
        continue-on-error: true
      - id: model
        if: steps.train.outcome == 'success'
        run: python ci/check_model.py
        continue-on-error: true
      - name: verdict
        run: test "$SEEN" = "success success success success"
        env:
          SEEN: ${{ steps.contract.outcome }} ${{ steps.data.outcome }} ${{ steps.train.outcome }} ${{ steps.model.outcome }}
"""

# %% q5
def delivery():
    return """
on: [push, pull_request, schedule]
jobs:
  check: {runs-on: ubuntu-latest, steps: [{run: python ci/check_all.py}]}
  canary:
    needs: check
    if: github.event_name == 'push' && github.ref_name == github.event.repository.default_branch
    runs-on: ubuntu-latest
    steps: [{run: python ci/release.py canary, env: {TOKEN: "${{ secrets.TOKEN }}"}}]
  watch:
    needs: canary
    runs-on: ubuntu-latest
    steps: [{run: python ci/watch.py}]
  full:
    needs: watch
    runs-on: ubuntu-latest
    steps: [{run: python ci/release.py full, env: {TOKEN: "${{ secrets.TOKEN }}"}}]
  back:
    needs: [check, canary, watch, full]
    if: always() && needs.check.result == 'success' && contains(needs.*.result, 'failure')
    runs-on: ubuntu-latest
    steps: [{run: python ci/release.py back, env: {TOKEN: "${{ secrets.TOKEN }}"}}]
"""

# %% q6
def delivery_gitlab():
    return """
check: {stage: build, script: python ci/check_all.py}
canary:
  stage: test
  script: python ci/release.py canary
  rules: &main
    - if: ($CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH) && $CI_PIPELINE_SOURCE == "push"
watch: {stage: test, needs: [canary], script: python ci/watch.py, rules: *main}
full: {stage: test, needs: [watch], script: python ci/release.py full, rules: *main}
back:
  stage: deploy
  needs: [canary, watch, full]
  script: python ci/release.py back
  rules:
    - if: $CI_COMMIT_BRANCH == "main" && $CI_PIPELINE_SOURCE == "push"
      when: on_failure
"""
