"""What a route needs."""

from enum import StrEnum


class Permission(StrEnum):
    """One name per thing a caller may do; every route names the one it needs.

    Example:
        >>> str(Permission.EXECUTIONS_RUN)
        'executions:run'
    """

    PUBLIC = "public"
    """Answered to everyone: health, readiness."""
    WORKFLOWS_READ = "workflows:read"
    WORKFLOWS_WRITE = "workflows:write"
    EXECUTIONS_READ = "executions:read"
    EXECUTIONS_RUN = "executions:run"
    """Start, resume, cancel and the like."""
    SCHEDULES_READ = "schedules:read"
    SCHEDULES_WRITE = "schedules:write"
    SERVICES_READ = "services:read"
    SERVICES_WRITE = "services:write"
    WORKERS_READ = "workers:read"
    WORKERS_CONNECT = "workers:connect"
    """The worker protocol."""
    SECRETS_READ = "secrets:read"
    SECRETS_WRITE = "secrets:write"
    CONFIGS_READ = "configs:read"
    CONFIGS_WRITE = "configs:write"
    METRICS_READ = "metrics:read"
