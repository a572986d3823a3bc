"""How passwords are stored."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2idPasswordHasher(Argon2PasswordHasher):
    """Argon2id with 19 MiB, two passes and one lane: Django's 100 MiB a sign-in would exhaust a small server.

    OWASP Password Storage Cheat Sheet; RFC 9106.
    """

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1
