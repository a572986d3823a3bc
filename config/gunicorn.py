"""How gunicorn serves: `gunicorn --config config/gunicorn.py`."""

from config import settings

wsgi_app = "config.wsgi:application"
bind = f"{settings.HOST}:{settings.PORT}"
# Threads, because a sync worker is held by one slow client.
worker_class = "gthread"
workers = settings.WEB_CONCURRENCY
threads = settings.WEB_THREADS
keepalive = 75
timeout = 30
graceful_timeout = 30
# A Link to a page sorted by a title of 200 emoji, searched by 200 more, is about 4,000 bytes.
limit_request_line = 8190
# gunicorn believes X-Forwarded-Proto from loopback; here TRUST_X_FORWARDED_PROTO alone decides.
secure_scheme_headers: dict[str, str] = {}
control_socket_disable = True
