"""Both addresses of the tasks: `tasks`, and `{user_id}/tasks` for front ends that name the user."""

from rest_framework.routers import SimpleRouter

from tasks.views import TaskViewSet

router = SimpleRouter()
router.trailing_slash = "/?"
router.register("tasks", TaskViewSet, "tasks")
router.register("(?P<user_id>[^/]+)/tasks", TaskViewSet, "user_tasks")
urlpatterns = router.urls
