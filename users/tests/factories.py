"""Users for tests."""

import factory

from users.models import User


class UserFactory(factory.django.DjangoModelFactory):
    """A local account; it can sign in when it is given a `password`."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"user{n}@example.com")
    # Not random: a name must not resemble a password by chance.
    name = factory.Sequence(lambda n: f"User {n}")

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        return model_class.objects.create_user(*args, **kwargs)
