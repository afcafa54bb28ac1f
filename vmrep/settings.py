"""Django settings. What differs between installations comes from the environment
(vmrep/environment.py has the table)."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from cryptography.fernet import Fernet
from csp.constants import NONE, SELF
from django.core.management.utils import get_random_secret_key

from vmrep import environment
from vmrep.audit_log import audit_handlers
from vmrep.logs import JSON, TEXT, take_over
from vmrep.private import NotPrivate, make_private_files, make_private_folder
from vmrep.secret_files import read_or_create

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent
try:
    env.ENVIRON = environment.read(os.environ)
    DATA_DIR = Path(env("VMREP_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
    make_private_folder(DATA_DIR)
    make_private_files(DATA_DIR / "secret_key", DATA_DIR / "field_keys")
except (environment.WrongEnvironment, NotPrivate) as problem:
    # Whoever starts a process reads one line, and not where in the code it was noticed. To
    # gunicorn, this exit code means that another try would be in vain.
    sys.stderr.write(f"vmrep cannot start: {problem}\n")
    raise SystemExit(3) from None

# Not by env(): to it, a value that begins with "$" names another variable.
SECRET_KEY = env.ENVIRON.get("VMREP_SECRET_KEY", "") or read_or_create(
    DATA_DIR / "secret_key", get_random_secret_key
)
FIELD_KEYS = [
    key
    for key in (
        env.ENVIRON.get("VMREP_FIELD_KEYS", "")
        or read_or_create(DATA_DIR / "field_keys", lambda: Fernet.generate_key().decode())
    )
    .replace("\n", ",")
    .split(",")
    if key
]

DEFAULT_EXCEPTION_REPORTER_FILTER = "vmrep.exception_reports.WithoutSecrets"
DEBUG = env.bool("VMREP_DEBUG", default=False)
ALLOWED_HOSTS = env.list("VMREP_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])

INSTALLED_APPS = [
    "vmrep.web.admin_config.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "django_htmx",
    "django_tables2",
    "axes",
    "mozilla_django_oidc",
    "csp",
    "contexts",
    "replication",
    "vmrep.accounts",
    "vmrep.notifications",
    "vmrep.trail",
    "vmrep.web",
    "vmrep.api",
]

MIDDLEWARE = [
    "vmrep.request_id.RequestIDMiddleware",
    "vmrep.headers.HeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "vmrep.incoming.IncomingMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "vmrep.database_away.DatabaseAwayMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "vmrep.accounts.middleware.AuthenticationMiddleware",
    "vmrep.accounts.middleware.SessionUseMiddleware",
    "vmrep.trail.source.TrailMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "vmrep.web.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "vmrep.web.middleware.ConflictMiddleware",
    "vmrep.web.middleware.PasswordMiddleware",
    "vmrep.web.middleware.VisibleTextMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "vmrep.urls"
WSGI_APPLICATION = "vmrep.wsgi.application"

_cached_templates = (
    "django.template.loaders.cached.Loader",
    [
        "django.template.loaders.filesystem.Loader",
        "django.template.loaders.app_directories.Loader",
    ],
)
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            # "name.html#part" is a part of a template. Django 6 does both by itself.
            "loaders": [("template_partials.loader.Loader", [_cached_templates])],
            "builtins": ["template_partials.templatetags.partials"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "vmrep.web.rights.may",
            ],
        },
    },
]


# No transaction waits forever for a row that another one holds. vmrep's own transactions take
# milliseconds, a page of a discovery a second or two: a longer wait means that one is stuck. Pages
# and the API then answer 409, and workers retry. SQLite has one lock for all writers.
# Both are less than the 30 seconds for which a lease is trusted without an answer.
LOCK_TIMEOUT = timedelta(seconds=10)
SQLITE_LOCK_TIMEOUT = timedelta(seconds=20)
# A client that begins a transaction and then does nothing loses it, and its locks, after this time.
IDLE_IN_TRANSACTION_TIMEOUT = timedelta(seconds=60)
# (No statement_timeout: long statements, such as those of the integrity check or of a migration of
# a large table, lock no row of a context, and could never finish.)


def database() -> dict[str, object]:
    """The database from DATABASE_URL, with what each engine needs to be safe."""
    config: dict[str, Any] = env.db_url(
        "DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'vmrep.sqlite3'}"
    )
    if config["ENGINE"] == "django.db.backends.sqlite3":
        file = str(config["NAME"])
        make_private_files(*(Path(file + suffix) for suffix in ("", "-wal", "-shm", "-journal")))
        # WAL lets pages read while a worker writes. IMMEDIATE takes the write lock at BEGIN, so
        # that a transaction which reads and then writes waits instead of failing half-way.
        # FULL makes a commit durable before a snapshot is removed because of it.
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": SQLITE_LOCK_TIMEOUT.total_seconds(),
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
    else:
        config["CONN_MAX_AGE"] = 60
        config["CONN_HEALTH_CHECKS"] = True
        # A server that vanished silently (power, network) is noticed within half a minute, the time
        # that a lease is trusted without an answer.
        config["OPTIONS"] = {
            "connect_timeout": 10,
            "tcp_user_timeout": 20_000,  # milliseconds
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 2,
            # Compiling a query costs more than any query of a page takes. What pages read is in the
            # server's memory: with the default, made for hard disks, it reads whole tables
            # instead of the narrow indexes that are there for lists (9.9 ms instead of 1.8).
            "options": "-c jit=off -c random_page_cost=1.1"
            f" -c lock_timeout={_milliseconds(LOCK_TIMEOUT)}"
            f" -c idle_in_transaction_session_timeout={_milliseconds(IDLE_IN_TRANSACTION_TIMEOUT)}",
        } | config.get("OPTIONS", {})  # the URL's options take precedence
    return config


def _milliseconds(time: timedelta) -> int:
    return time // timedelta(milliseconds=1)


DATABASES = {"default": database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Who logs in ----------------------------------------------------------------------------------
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
TRUSTED_PROXIES = [each.strip() for each in env.list("VMREP_TRUSTED_PROXIES", default=[])]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # refuses whom it locks before a password is looked at
    "vmrep.accounts.backends.ByPassword",
]
# A provider of identities, if there is one (vmrep/accounts/oidc.py).
OIDC_ISSUER = env("VMREP_OIDC_ISSUER", default="")
OIDC_NAME = env("VMREP_OIDC_NAME", default="your organisation")
OIDC_RP_CLIENT_ID = env("VMREP_OIDC_CLIENT_ID", default="")
OIDC_RP_CLIENT_SECRET = env("VMREP_OIDC_CLIENT_SECRET", default="")
OIDC_RP_SCOPES = "openid email profile"
OIDC_RP_SIGN_ALGO = "RS256"
OIDC_USE_PKCE = True
OIDC_TIMEOUT = 10
OIDC_GROUPS_CLAIM = env("VMREP_OIDC_GROUPS_CLAIM", default="groups")
OIDC_ROLES = dict(each.rsplit("=", 1) for each in env.list("VMREP_OIDC_ROLES", default=[]))
# Whoever is shut out there is out here after a day.
OIDC_SESSION_SECONDS = 12 * 3600
if OIDC_ISSUER:
    AUTHENTICATION_BACKENDS.insert(1, "vmrep.accounts.oidc.Backend")
PASSWORD_HASHERS = [
    "vmrep.accounts.hashers.Argon2",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",  # of before; changed at the next login
]
# Failed logins are counted in the database (vmrep/accounts/lockout.py).
AXES_HANDLER = "vmrep.accounts.lockout.Handler"
AXES_LOCKOUT_CALLABLE = "vmrep.accounts.lockout.answer"
AXES_CLIENT_IP_CALLABLE = "vmrep.client_address.client_address"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # or a stranger could make it last for ever
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
# It keeps what was sent, but for these; names and addresses are what its log is for.
AXES_SENSITIVE_PARAMETERS = [
    *("old_password", "new_password1", "new_password2", "password1", "password2", "code"),
]
SESSION_ENGINE = "vmrep.accounts.session_store"
SESSION_COOKIE_AGE = 7 * 24 * 3600
SESSION_IDLE_SECONDS = max(1, env.int("VMREP_IDLE_MINUTES", default=480)) * 60
# For so long the password that was given counts for what is dangerous (vmrep/accounts/means.py).
PASSWORD_HOLDS_SECONDS = 15 * 60
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/virtual-machines/"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en-us"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# The web server serves the files where they are, so there is no copy that could become outdated.
WHITENOISE_USE_FINDERS = True

# --- What browsers may do ------------------------------------------------------------------------
HTTPS = env.bool("VMREP_HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
# What is left to the proxy and to whoever owns the domain: leading http:// to https://, and
# promises about other names of it.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],  # Tabler's style sheet draws its arrows as data: pictures
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

# --- API -----------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "vmrep.accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "vmrep.accounts.authentication.WithinScope",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "EXCEPTION_HANDLER": "vmrep.api.errors.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "vmrep.api.schema.inspector.Inspector",
}
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "vmrep",
    "DESCRIPTION": "Up-to-date copies of VMware vSphere VMs on KVM-side storage.",
    "LICENSE": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    # A change takes another body than an answer has, and says so in its own class.
    "COMPONENT_SPLIT_PATCH": False,
    "SERVE_PUBLIC": True,
    "PATH_CONVERTER_OVERRIDES": {
        "identifier": {"type": "string", "pattern": "^[A-Za-z0-9._-]+$"},
        "int": {"type": "integer", "minimum": 0},
    },
    "POSTPROCESSING_HOOKS": ["vmrep.api.schema.hooks.finish"],
    "WEBHOOKS": [
        f"vmrep.api.schema.webhooks.{name}" for name in ("occurrence", "digest", "report", "test")
    ],
}

# --- Monitoring --------------------------------------------------------------------------------
METRICS_TOKEN = env.ENVIRON.get("VMREP_METRICS_TOKEN", "")

# --- Celery --------------------------------------------------------------------------------------
# The database is the queue of record: a message is only a hint to look there (docs/sync.md).
CELERY_BROKER_URL = env("VMREP_REDIS_URL", default="redis://127.0.0.1:6379/0")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 3,
    "socket_timeout": 10,
    # A sender makes two attempts and continues: by default, kombu would block a page for six
    # seconds while the broker is down. Workers and beat have their own settings for reconnecting.
    "max_retries": 1,
    "interval_start": 0,
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_PUBLISH_RETRY = False  # the tick sends lost hints again; a page must not wait
CELERY_TASK_DEFAULT_QUEUE = "control"
CELERY_TASK_ROUTES = {
    "replication.tasks.run_next_job": {"queue": "copies"},
    # Its own queue: merging images may take hours.
    "replication.tasks.remove_points": {"queue": "storage"},
    "replication.tasks.verify_points": {"queue": "storage"},
    # Its own queue: whatever blocks the other workers, the tick takes over from dead workers.
    "replication.tasks.tick": {"queue": "tick"},
}
TICK_INTERVAL = timedelta(seconds=10)
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    "tick": {
        "task": "replication.tasks.tick",
        "schedule": TICK_INTERVAL,
        # While no worker listens, ticks must not pile up.
        "options": {"expires": TICK_INTERVAL.total_seconds()},
    },
}
REPOSITORIES = frozenset(
    each.strip() for each in env("VMREP_REPOSITORIES", default="").split(",") if each.strip()
)
NBD_COMMANDS = Path(env("VMREP_NBD_COMMANDS", default=str(DATA_DIR / "nbd-commands.toml")))
DISKS_PER_HOST = max(1, env.int("VMREP_DISKS_PER_HOST", default=8))
SAMPLED_PERCENT_A_DAY = min(100, max(0, env.int("VMREP_SAMPLED_PERCENT_A_DAY", default=1)))
# Bytes per second that one verification reads; None: no limit.
VERIFY_BYTES_PER_SECOND = env.int("VMREP_VERIFY_MIB_PER_SECOND", default=0) * (1 << 20) or None
KEEP_JOBS_DAYS = env.int("VMREP_KEEP_JOBS_DAYS", default=0)
if KEEP_JOBS_DAYS > 0:
    CELERY_BEAT_SCHEDULE["delete-old-jobs"] = {
        "task": "replication.tasks.delete_old_jobs",
        "schedule": timedelta(days=1),
    }
KEEP_HISTORY_DAYS = env.int("VMREP_KEEP_HISTORY_DAYS", default=90)
if KEEP_HISTORY_DAYS > 0:
    CELERY_BEAT_SCHEDULE["forget-history"] = {
        "task": "replication.tasks.forget_history",
        "schedule": timedelta(days=1),
    }
BASE_URL = env("VMREP_BASE_URL", default="")
ALLOW_ADDRESSES = env.list("VMREP_ALLOW_ADDRESSES", default=[])
NOTIFY_PRIVATE = env.bool("VMREP_NOTIFY_PRIVATE", default=False)
CELERY_BEAT_SCHEDULE["forget-sign-ins"] = {
    "task": "vmrep.accounts.tasks.forget_sign_ins",
    "schedule": timedelta(days=1),
}
CELERY_BEAT_SCHEDULE["merge-tallies"] = {
    "task": "replication.tasks.merge_tallies",
    "schedule": timedelta(minutes=10),
    "options": {"expires": 600},
}
INTEGRITY_INTERVAL = timedelta(minutes=env.int("VMREP_INTEGRITY_MINUTES", default=60))
if INTEGRITY_INTERVAL:
    CELERY_BEAT_SCHEDULE["integrity"] = {
        "task": "replication.tasks.request_integrity_check",
        "schedule": INTEGRITY_INTERVAL,
        "options": {"expires": INTEGRITY_INTERVAL.total_seconds()},
    }

LOG_FORMAT = env("VMREP_LOG_FORMAT", default=TEXT)
if LOG_FORMAT == JSON:
    take_over()
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "vmrep.logs.formatter", "style": LOG_FORMAT},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    # It also tells of each login that did not fail.
    "loggers": {"axes": {"level": "WARNING"}},
    "root": {"handlers": ["console"], "level": env("VMREP_LOG_LEVEL", default="INFO")},
}
# The audit trail, for collectors: each event as it is committed.
AUDIT_SYSLOG = env("VMREP_AUDIT_SYSLOG", default="")
_audit = audit_handlers(env("VMREP_AUDIT_LOG", default=""), AUDIT_SYSLOG)
LOGGING["handlers"] |= _audit
LOGGING["loggers"]["vmrep.audit"] = {
    "handlers": [*_audit],
    "level": "INFO" if _audit else "CRITICAL",
    "propagate": False,
}
