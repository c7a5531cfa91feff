"""Settings: conf/base.yml, then the environment's file, then environment variables."""

import datetime as dt
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from mlops_kit.errors import KitError
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

__all__ = ["ConfigError", "Environment", "Settings", "load_settings"]

Environment = Literal["dev", "staging", "production"]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]

_PREFIX = "APP_"
_SECRETS = ("admin_token",)
# Read by this module itself: which files there are to read.
_OWN_VARIABLES = ("APP_ENVIRONMENT", "APP_CONF")


class ConfigError(KitError, ValueError):
    """The configuration can't be used; the message says where and why."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSettings(_Section):
    """Which rows there are."""

    source: str = "sample"
    until: dt.datetime | None = None
    window_days: Annotated[int, Field(ge=1)] = 56


class TrainingSettings(_Section):
    """How a model is fitted."""

    seed: Annotated[int, Field(ge=0)] = 7
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.25
    trees: Annotated[int, Field(ge=1)] = 80
    leaves: Annotated[int, Field(ge=2)] = 12
    learning_rate: Positive = 0.08


class ServingSettings(_Section):
    """How requests are answered."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    max_rows: Annotated[int, Field(ge=1)] = 1000
    timeout_s: Positive = 10
    reload_s: Positive = 5


class CanarySettings(_Section):
    """How much of the traffic a challenger gets, and when it has shown enough."""

    share: Share = 0
    header: str = "X-Entity-ID"
    required: bool = False
    min_requests: Annotated[int, Field(ge=20)] = 400
    looks: Annotated[int, Field(ge=1)] = 10
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    patience_hours: Positive = 168
    failed_share: Share = 0.02
    latency_ratio: Annotated[float, Field(ge=1)] = 1.5
    prediction_shift: Positive = 2.0
    loss_ratio: Annotated[float, Field(ge=1)] = 1.02


class MonitoringSettings(_Section):
    """When the request log is called abnormal."""

    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    looks: Annotated[int, Field(ge=1)] = 30
    minimum: Share = 0.05
    failed_share: Share = 0.01
    refused_share: Share = 0.05
    p99_ms: Annotated[float, Field(ge=0)] = 250


class RetrainingSettings(_Section):
    """When a champion is too old."""

    max_age_days: Positive = 28


class Settings(BaseSettings):
    """Everything that differs between environments."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
    )

    environment: Environment = "dev"
    model_name: str
    workspace: Path = Path("workspace")
    reports: Path = Path("reports")
    tracking: Literal["local", "server"] = "local"
    admin_token: SecretStr | None = None
    conf: Path = Path("conf")
    data: DataSettings = DataSettings()
    training: TrainingSettings = TrainingSettings()
    serving: ServingSettings = ServingSettings()
    canary: CanarySettings = CanarySettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    retraining: RetrainingSettings = RetrainingSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let environment variables win over the files, which arrive as arguments."""
        return env_settings, init_settings

    @property
    def tracking_server(self) -> str | None:
        """The tracking server's address; None where runs and models lie in the workspace."""
        if self.tracking == "local":
            return None
        address = os.environ.get("MLFLOW_TRACKING_URI", "")
        if not address:
            raise ConfigError(
                "conf says `tracking: server`, and MLFLOW_TRACKING_URI isn't set. Set it to the "
                "server's address, or run with APP_TRACKING=local."
            )
        return address

    @property
    def snapshots(self) -> Path:
        """The folder of data snapshots."""
        return self.workspace / "data"

    @property
    def request_log(self) -> Path:
        """The file of requests that this machine answers; several don't append to one file."""
        return self.workspace / "requests" / f"{platform.node() or 'service'}.jsonl"

    @property
    def request_logs(self) -> list[Path]:
        """The files of all machines that share the workspace."""
        return sorted((self.workspace / "requests").glob("*.jsonl"))


def load_settings(environment: str | None = None) -> Settings:
    """Read the settings of an environment, by default that of APP_ENVIRONMENT, or else dev.

    Raises
    ------
    ConfigError
        If a file or a variable holds something unknown or impossible.
    """
    name = environment or os.environ.get("APP_ENVIRONMENT") or "dev"
    if name not in get_args(Environment):
        known = ", ".join(get_args(Environment))
        raise ConfigError(f"there is no environment {name!r}; there are {known}.")
    folder = Path(os.environ.get("APP_CONF") or "conf")
    _refuse_unknown_variables()
    merged: dict[str, Any] = {}
    for file in (folder / "base.yml", folder / f"{name}.yml"):
        merged = _merge(merged, _read(file))
    try:
        found = Settings(**merged)
    except ValidationError as error:
        raise ConfigError(_told(error, name)) from None
    return found.model_copy(update={"environment": name, "conf": folder})


def _read(file: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"the settings {file} can't be read: {error.strerror}. Start in the project's folder, "
            "or say in APP_CONF where conf is."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"the settings {file} aren't YAML: {reason}.") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigError(f"the settings {file} must be keys with values.")
    for secret in _SECRETS:
        if secret in found:
            raise ConfigError(
                f"{file} holds {secret}, which is a secret. Take it out, call it burnt, and give "
                f"a new one in the variable {_PREFIX}{secret.upper()}."
            )
    return found


def _merge(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in more.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[key] = _merge(before, value)
        else:
            merged[key] = value
    return merged


def _refuse_unknown_variables() -> None:
    known = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields} | {*_OWN_VARIABLES}
    for variable in os.environ:
        if variable.startswith(_PREFIX) and variable.partition("__")[0] not in known:
            raise ConfigError(
                f"the variable {variable} names no setting. Settings begin with one of "
                f"{', '.join(sorted(known))}."
            )


def _told(error: ValidationError, environment: str) -> str:
    """Say what is wrong without showing a value: one of them may be a secret."""
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        place = ".".join(map(str, problem["loc"]))
        unknown = problem["type"] == "extra_forbidden"
        lines.append(f"  {place}: {'there is no such setting' if unknown else problem['msg']}")
    listed = "\n".join(lines)
    return f"the settings for {environment} can't be used:\n{listed}"
