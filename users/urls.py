"""The addresses below `auth`."""

from django.urls import re_path

from users import views

urlpatterns = [
    re_path(r"^auth/register/?$", views.RegisterView.as_view()),
    re_path(r"^auth/login/?$", views.LoginView.as_view()),
    re_path(r"^auth/refresh/?$", views.RefreshView.as_view()),
    re_path(r"^auth/logout/?$", views.LogoutView.as_view()),
    re_path(r"^auth/me/?$", views.MeView.as_view()),
    re_path(r"^auth/password/?$", views.PasswordView.as_view()),
    re_path(r"^auth/sessions/?$", views.SessionsView.as_view()),
    re_path(r"^auth/sessions/(?P<id>[^/]+)/?$", views.SessionView.as_view()),
    re_path(r"^auth/logout-all/?$", views.LogoutAllView.as_view()),
]
