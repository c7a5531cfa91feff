# why = "A matrix of chains, settings that jobs share, the way back in the shell's own trap, and on GitLab after the script."

# %% q4
def checks():
    return """
name: may it be merged?
run-name: checks of ${{ github.ref }}
"on":
  push: {branches: ["**"]}
  pull_request: {branches: [main]}
  schedule: [{cron: "15 2 * * 1-5"}]
permissions: {contents: read}
env: &shared {PYTHONUNBUFFERED: "1"}
defaults: {run: {shell: bash}}
jobs:
  chain:
    name: ${{ matrix.chain.name }}
    runs-on: ubuntu-latest
    strategy:
      fail-fast: false
      matrix:
        chain:
          - {name: contract, commands: ci/check_contract.py}
          - {name: model, commands: ci/check_data.py train.py ci/check_model.py}
    env: *shared
    steps:
      - uses: actions/checkout@v4
      - run: for command in ${{ matrix.chain.commands }}; do python "$command"; done
"""

# %% q5
def delivery():
    return """
name: delivery
"on": {push: {branches: ["*", "*/**"]}, pull_request: {}, schedule: [{cron: "0 1 * * *"}]}
concurrency: {group: release, cancel-in-progress: false}
jobs:
  check:
    runs-on: ubuntu-latest
    outputs: {fine: "${{ steps.all.outputs.fine }}"}
    steps:
      - uses: actions/checkout@v4
      - id: all
        run: |
          python ci/check_all.py
          echo "fine=yes" >> "$GITHUB_OUTPUT"
  release:
    needs: [check]
    if: needs.check.outputs.fine == 'yes' && github.ref == 'refs/heads/main' && github.event_name != 'schedule'
    runs-on: ubuntu-latest
    environment: production
    steps:
      - uses: actions/checkout@v4
      - shell: bash
        env: {TOKEN: "${{ secrets.TOKEN }}"}
        run: |
          trap 'python ci/release.py back' ERR
          python ci/release.py canary
          python ci/watch.py
          python ci/release.py full
"""

# %% q6
def delivery_gitlab():
    return """
workflow:
  rules:
    - when: always
.python: {image: "python:3.12"}
stages: [test, deploy]
check:
  extends: .python
  stage: test
  script: [python ci/check_all.py]
release:
  extends: .python
  stage: deploy
  resource_group: production
  script:
    - python ci/release.py canary
    - python ci/watch.py
    - python ci/release.py full
  after_script:
    - if [ "$CI_JOB_STATUS" = failed ]; then python ci/release.py back; fi
  rules:
    - if: $CI_PIPELINE_SOURCE == "schedule"
      when: never
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
"""
