"""Fold the e-mails of the local accounts that exist. No e-mail is changed."""

from itertools import groupby

from django.core.management.base import CommandError
from django.db import migrations, transaction
from django.db.models import Count

from users.emails import fold_email

BATCH_SIZE = 1000


def fill(apps, _schema_editor):
    """Fold all e-mails. It can be run again. Raises CommandError with the ids of accounts that collide."""
    accounts = apps.get_model("users", "User").objects.filter(issuer=None).order_by("pk")
    batch = fill_batch(accounts)
    while batch:
        batch = fill_batch(accounts.filter(pk__gt=batch[-1].pk))
    counted = accounts.order_by().values("email_folded").annotate(count=Count("pk"))
    shared = accounts.filter(email_folded__in=counted.filter(count__gt=1).values("email_folded"))
    rows = shared.order_by("email_folded", "pk").values_list("email_folded", "pk")
    groups = [", ".join(str(pk) for _, pk in group) for _, group in groupby(rows, key=lambda row: row[0])]
    if groups:
        raise CommandError(
            "The accounts on each line have the same e-mail if case does not count. Change or delete "
            "all but one of them, then migrate again.\n" + "\n".join(groups)
        )


def fill_batch(accounts):
    """Fold the e-mails of the next accounts and return them. The rows are locked only for this long."""
    with transaction.atomic():
        batch = list(accounts.select_for_update(no_key=True)[:BATCH_SIZE])
        for account in batch:
            account.email_folded = fold_email(account.email)
        accounts.model.objects.bulk_update(batch, ["email_folded"])
    return batch


class Migration(migrations.Migration):
    # Each batch is a transaction, so that no sign-in waits for all of them.
    atomic = False
    dependencies = [("users", "0003_email_folded")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
