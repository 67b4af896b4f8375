"""The API's page for people, whose files come from this service: it works without a network."""

from importlib.resources import files

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.staticfiles import StaticFiles
from starlette.responses import HTMLResponse, RedirectResponse

FILES = "/docs/files"


def add(app: FastAPI, root_path: str) -> None:
    """Serves Swagger UI at ``/docs``; the package fastapi-offline carries its files.

    Args:
        root_path: what a proxy takes off each path, which a browser has to ask for.
    """
    app.mount(FILES, StaticFiles(directory=str(files("fastapi_offline") / "static")))

    @app.get("/", include_in_schema=False)
    async def home() -> RedirectResponse:
        return RedirectResponse(f"{root_path}/docs")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=f"{root_path}/openapi.json",
            title=f"{app.title}: API",
            swagger_js_url=f"{root_path}{FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{root_path}{FILES}/swagger-ui.css",
            swagger_favicon_url=f"{root_path}{FILES}/favicon.png",
        )
