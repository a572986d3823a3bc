"""Every setting, in one place.

Values come from the environment, and what is not set there from the file that `ENV_FILE` names
(`.env` beside manage.py). All invalid variables are reported at once, with their requirements and
without their values. With only the required variables set, the settings are right for production.
"""

import os
import zoneinfo
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from csp.constants import NONE, SELF, UNSAFE_INLINE
from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvValidationError

from config import environment
from config.file_modes import make_private

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"
SERVICE = "task-api"

env = Env(eager=False)
env.add_parser("rate", environment.parse_rate)
env.read_env(os.environ.get("ENV_FILE") or BASE_DIR / ".env", recurse=False)

# --- serving -----------------------------------------------------------------

DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", validate=environment.secret)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", [] if DEBUG else ..., validate=None if DEBUG else environment.hosts)
HOST = env.str("HOST", "127.0.0.1")
PORT = env.int("PORT", 8000, validate=environment.port)
WEB_CONCURRENCY = env.int("WEB_CONCURRENCY", environment.usable_cores(), validate=environment.at_least_one)
WEB_THREADS = env.int("WEB_THREADS", 2, validate=environment.at_least_one)

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False
# Everything is mounted at the root, whatever a client or a server says.
FORCE_SCRIPT_NAME = ""
# The largest body that is read: 413.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
# Other limits, by how the path begins. These are open to everybody.
MAX_BODY_SIZES = {r"/(api/(v1/)?auth/|health)": 16 * 1024}
LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = "UTC"
# Only the time zones of the pinned tzdata package. With each machine's own, due dates would differ.
zoneinfo.reset_tzpath(())

INSTALLED_APPS = [
    "config",
    "users",
    "tasks",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "config.request_log.RequestLogMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.ContentSecurityPolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.middleware.ProblemMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.HostMiddleware",
    "config.middleware.AdminOnlyMiddleware",
]
# These checks look for middleware that AdminOnlyMiddleware contains.
SILENCED_SYSTEM_CHECKS = ["admin.E408", "admin.E409", "admin.E410", "security.W003"]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

STATIC_URL = "/static/"
# Served from the packages. There is no collectstatic step to forget.
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False

# --- database ----------------------------------------------------------------

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
EMBEDDED_DATABASE_URL = f"sqlite:///{BASE_DIR / 'var' / 'db.sqlite3'}"
DATABASE_URL = env.str("DATABASE_URL", EMBEDDED_DATABASE_URL, validate=environment.database_url)
DATABASE_POOLER = env.str(
    "DATABASE_POOLER",
    "transaction" if "-pooler." in (DATABASE_URL or "") else "none",
    validate=environment.one_of("none", "transaction"),
)
DATABASE_URL_DIRECT = env.str("DATABASE_URL_DIRECT", "", validate=environment.direct_url_or_none)
# `manage.py` sets it: migrations, dumps and seeds go past a pooler, and may take long.
DATABASE_DIRECT = env.bool("DATABASE_DIRECT", False)
DATABASE_STATEMENT_TIMEOUT = env.timedelta(
    "DATABASE_STATEMENT_TIMEOUT", timedelta(seconds=5), validate=environment.zero_or_longer
)
served = env.dj_db_url("DATABASE_URL", EMBEDDED_DATABASE_URL) or {}
direct = env.dj_db_url("DATABASE_URL_DIRECT") if DATABASE_URL_DIRECT else None
pooled = DATABASE_POOLER == "transaction" and not (direct and DATABASE_DIRECT)
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        **(direct if direct and DATABASE_DIRECT else served),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": pooled,
    }
}
match DATABASES["default"].get("ENGINE"):
    case "django.db.backends.sqlite3":
        make_private(BASE_DIR / "var", DATABASES["default"]["NAME"])
        DATABASES["default"]["OPTIONS"] = {
            "timeout": 5,
            # A transaction that begins by reading could not become a writer beside another one.
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
    case "django.db.backends.postgresql":
        DATABASES["default"]["ENGINE"] = "config.db.postgresql"
        options: dict[str, Any] = DATABASES["default"].setdefault("OPTIONS", {})
        options.setdefault("connect_timeout", 3)
        # A transaction pooler refuses startup options, so there the limits belong to the role. And
        # the next statement may go to a server connection where it was not prepared.
        if not pooled:
            options |= {"server_side_binding": True, "prepare_threshold": 0}
            limit = timedelta() if DATABASE_DIRECT else DATABASE_STATEMENT_TIMEOUT or timedelta()
            milliseconds = int(limit / timedelta(milliseconds=1))
            limits = f"-c statement_timeout={milliseconds} -c lock_timeout=2000"
            limits += " -c idle_in_transaction_session_timeout=10000"
            options["options"] = f"{options.get('options', '')} {limits}".strip()

# --- who may sign in ---------------------------------------------------------

AUTH_USER_MODEL = "users.User"
# The e-mails of local accounts are unique by a constraint, which the check does not see.
SILENCED_SYSTEM_CHECKS += ["auth.W004"]
AUTHENTICATION_BACKENDS = ["users.backends.AccountBackend"]
PASSWORD_MIN_LENGTH = 10
PASSWORD_HASHERS = ["users.hashers.Argon2idPasswordHasher"]
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": PASSWORD_MIN_LENGTH},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {"NAME": "users.passwords.RepetitivePasswordValidator"},
    {"NAME": "users.passwords.SimilarPasswordValidator"},
    {"NAME": "users.passwords.UnchangedPasswordValidator"},
]
# The password of the demo account that `quickstart` creates in an empty embedded database.
DEMO_PASSWORD = env.str("DEMO_PASSWORD", "")
ALLOW_REGISTRATION = env.bool("ALLOW_REGISTRATION", True)
ACCESS_TOKEN_LIFETIME = env.timedelta(
    "ACCESS_TOKEN_LIFETIME", timedelta(minutes=15), validate=environment.positive
)
SESSION_IDLE_TIMEOUT = env.timedelta(
    "SESSION_IDLE_TIMEOUT", timedelta(days=30), validate=environment.positive
)
SESSION_ABSOLUTE_TIMEOUT = env.timedelta(
    "SESSION_ABSOLUTE_TIMEOUT", timedelta(days=180), validate=environment.positive
)
REFRESH_GRACE_PERIOD = timedelta(seconds=30)
SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    # A key of its own: who can sign cookies must not be able to sign tokens.
    "SIGNING_KEY": env.str("JWT_SIGNING_KEY", validate=environment.secret),
    "ISSUER": env.str("JWT_ISSUER", SERVICE, validate=environment.not_empty),
    "AUDIENCE": env.str("JWT_AUDIENCE", SERVICE, validate=environment.not_empty),
    "ACCESS_TOKEN_LIFETIME": ACCESS_TOKEN_LIFETIME,
    "REFRESH_TOKEN_LIFETIME": SESSION_IDLE_TIMEOUT,
    # The clocks of two machines differ, and a token from the future is refused.
    "LEEWAY": timedelta(seconds=5),
}

LOGIN_RATE_PER_ACCOUNT: tuple[int, timedelta] = env.rate("LOGIN_RATE_PER_ACCOUNT", "5/1m")
LOGIN_RATE_PER_ADDRESS: tuple[int, timedelta] = env.rate("LOGIN_RATE_PER_ADDRESS", "30/1m")
REGISTRATION_RATE: tuple[int, timedelta] = env.rate("REGISTRATION_RATE", "10/1h")

# --- the external issuer: its keys, a shared secret, or both -----------------

BETTER_AUTH_URL = env.str("BETTER_AUTH_URL", "", validate=environment.issuer_url(debug=DEBUG))
BETTER_AUTH_SECRET = env.str("BETTER_AUTH_SECRET", "", validate=environment.secret_or_none)
BETTER_AUTH_ISSUER = env.str("BETTER_AUTH_ISSUER", BETTER_AUTH_URL)
BETTER_AUTH_AUDIENCE = env.str("BETTER_AUTH_AUDIENCE", BETTER_AUTH_URL)
BETTER_AUTH_LEEWAY = env.timedelta(
    "BETTER_AUTH_LEEWAY", timedelta(seconds=5), validate=environment.zero_or_longer
)
# Part of the key of the issuer's users. Its URL is not, because it changes when a front end moves.
BETTER_AUTH_LABEL = env.str("BETTER_AUTH_LABEL", "better-auth", validate=environment.issuer_label)
BETTER_AUTH_CREATE_USERS = env.bool("BETTER_AUTH_CREATE_USERS", True)
TOMBSTONE_LIFETIME = env.timedelta("TOMBSTONE_LIFETIME", timedelta(days=365), validate=environment.positive)

# --- browsers: https, cookies, CSP and CORS ----------------------------------

SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", not DEBUG)
# The API is refused over http and not redirected, but its documents and its root are.
SECURE_REDIRECT_EXEMPT = [r"^health(/|$)", r"^api/(?!(v1|docs|redoc|schema)?/?$)"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if SECURE_SSL_REDIRECT else 0
# The owner of the domain decides about subdomains and the preload list, not one application.
SILENCED_SYSTEM_CHECKS += ["security.W005", "security.W021"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT
SESSION_COOKIE_NAME = "admin_session"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = "/admin/"
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [], validate=environment.origins)
# Only behind a proxy that sets the header. Otherwise any client could claim to use TLS.
TRUST_X_FORWARDED_PROTO = env.bool("TRUST_X_FORWARDED_PROTO", False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUST_X_FORWARDED_PROTO else None
NUM_PROXIES = env.int("NUM_PROXIES", 0, validate=environment.not_negative)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        # Swagger UI, ReDoc and the admin set style attributes.
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        # ReDoc searches in a worker made from a blob.
        "worker-src": [SELF, "blob:"],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
CORS_URLS_REGEX = r"^/(api|health)(/|$)"
CORS_ALLOW_ALL_ORIGINS = DEBUG
CORS_ALLOWED_ORIGINS: list[str] = env.list("CORS_ALLOWED_ORIGINS", [], validate=environment.origins)
CORS_ALLOW_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
CORS_ALLOW_HEADERS = ["authorization", "content-type", "idempotency-key", "x-request-id"]
CORS_ALLOW_HEADERS += ["if-match", "if-none-match"]
CORS_EXPOSE_HEADERS = ["Link", "Next-Cursor", "X-Total-Count", "Location", "ETag", "Idempotent-Replayed"]
CORS_EXPOSE_HEADERS += ["X-Request-ID", "Retry-After"]

# --- the API -----------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["users.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["config.rest.media_types.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["config.rest.media_types.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.rest.media_types.AnyAccept",
    "DEFAULT_SCHEMA_CLASS": "config.rest.openapi.StrictSchema",
    "DEFAULT_PAGINATION_CLASS": "config.rest.pagination.ArrayPagination",
    "EXCEPTION_HANDLER": "config.rest.errors.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "TEST_REQUEST_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Task API",
    "VERSION": VERSION,
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "DESCRIPTION": "Multi-user tasks. Users see and change only their own tasks.",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SERVE_AUTHENTICATION": [],
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "persistAuthorization": True, "validatorUrl": None},
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "PREPROCESSING_HOOKS": ["config.rest.openapi.canonical_endpoints"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.rest.openapi.complete_document",
    ],
}

# --- logs --------------------------------------------------------------------

LOG_LEVEL = env.str("LOG_LEVEL", "INFO", validate=environment.one_of("DEBUG", "INFO", "WARNING", "ERROR"))

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"console": {"()": "config.request_log.make_formatter", "readable": DEBUG}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "console"}
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        # The request log has its own line. These would repeat it, with the path and the query.
        "django.request": {"level": "CRITICAL"},
        "django.security": {"level": "CRITICAL"},
        "django.server": {"level": "CRITICAL"},
    },
}

# --- report all invalid variables at once ------------------------------------

try:
    env.seal()
except EnvValidationError as invalid:
    errors = cast("dict[str, list[str]]", invalid.error_messages)
    lines = [f"{name}: {' '.join(map(str, messages))}" for name, messages in errors.items()]
    # `from None`: the original exception may contain a value.
    raise ImproperlyConfigured("\n".join(["The environment is not valid.", *lines])) from None
if SIMPLE_JWT["SIGNING_KEY"] == SECRET_KEY:
    raise ImproperlyConfigured("JWT_SIGNING_KEY: must not be the value of SECRET_KEY.")
if BETTER_AUTH_SECRET in (SECRET_KEY, SIMPLE_JWT["SIGNING_KEY"]):
    raise ImproperlyConfigured("BETTER_AUTH_SECRET: must not be the value of SECRET_KEY or JWT_SIGNING_KEY.")
if SIMPLE_JWT["ISSUER"] == BETTER_AUTH_ISSUER:
    raise ImproperlyConfigured("BETTER_AUTH_ISSUER: must not be the value of JWT_ISSUER.")
if direct and served.get("ENGINE") != direct["ENGINE"]:
    raise ImproperlyConfigured("DATABASE_URL_DIRECT: must name the same database as DATABASE_URL.")
