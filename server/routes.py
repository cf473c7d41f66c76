"""The table of routes: the door, the checks of bodies and the description of the API all read it, and nothing else."""

from server import (
    routes_about,
    routes_app,
    routes_data,
    routes_lessons,
    routes_lm_eval,
    routes_model,
    routes_openai,
    routes_sessions,
    routes_versions,
)
from server.route import Route

ROUTES: tuple[Route, ...] = (
    *routes_model.ROUTES, *routes_data.ROUTES, *routes_lessons.ROUTES, *routes_versions.ROUTES, *routes_sessions.ROUTES,
    *routes_openai.ROUTES, *routes_lm_eval.ROUTES, *routes_about.ROUTES, *routes_app.ROUTES,
)
