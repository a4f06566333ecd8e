"""The page on this machine alone: no other address answers, and nothing of it is asked of another machine."""

import os
import socket
import tempfile
from contextlib import suppress

from artefacts.errors import UserError
from artefacts.images import UnreadableImage
from reid.browse.session import Session

HOST = "127.0.0.1"
# What a browser may load: this server's own files. Gradio's scripts are inline, and are compiled from strings.
POLICY = "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'none'"
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
# Gradio would serve files by their paths and fetch from other machines: the page needs neither.
REFUSED = ("file=", "file/", "proxy=", "run-history", "vibe", "stream/")


def require_gradio() -> None:
    """Raises UserError, which says how to install it, without gradio."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"reid browse needs the extra browse ({error}); use make browse, or pip install '.[browse]'"
        ) from None


def listening(port: int) -> socket.socket:
    """A socket of this machine alone; 0 is any port that is free. Raises UserError if the port is taken."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise UserError(f"--port: {port} cannot be used ({error.strerror}); give another, or 0 for any") from None


def serve(session: Session, listener: socket.socket) -> None:
    """Serve the page until the process is interrupted."""
    import uvicorn

    with tempfile.TemporaryDirectory(prefix="reid-browse-") as dropped:
        os.environ["GRADIO_TEMP_DIR"] = dropped  # images that people drop are gone with the server
        server = uvicorn.Server(uvicorn.Config(application(session), log_level="warning", timeout_graceful_shutdown=1))
        print(f"http://{HOST}:{listener.getsockname()[1]} (Ctrl+C ends it)", flush=True)
        with suppress(KeyboardInterrupt):  # uvicorn ends in good order first
            server.run(sockets=[listener])


def application(session: Session):
    """The server: gradio's page, and the files of the session's images by their numbers."""
    import fastapi
    import gradio
    from fastapi.middleware.trustedhost import TrustedHostMiddleware

    from reid.browse.page import CSS, page, theme

    server = fastapi.FastAPI(openapi_url=None)
    server.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])

    @server.middleware("http")
    async def guarded(request, call_next):
        if request.headers.get("origin") not in (None, f"http://{request.headers['host']}"):
            answer = fastapi.Response(status_code=403)  # a page of another site that this browser shows
        elif request.url.path.partition("/gradio_api/")[2].startswith(REFUSED):
            answer = fastapi.Response(status_code=404)
        else:
            answer = await call_next(request)
        answer.headers.update(HEADERS)
        return answer

    @server.get("/image/{source}/{number}")
    def image(source: str, number: int) -> fastapi.Response:
        return _image_file(session, source, number)

    options = {"css_paths": CSS, "theme": theme(), "footer_links": [], "run_history": False, "max_file_size": "50mb"}
    return gradio.mount_gradio_app(server, page(session), path="/", server_name=HOST, ssr_mode=False, **options)


def _image_file(session: Session, source: str, number: int):
    """The file of an image of the gallery or of the queries; not found, whatever is wrong with it."""
    from fastapi import Response

    images = {"gallery": session.gallery, "query": session.queries}.get(source)
    if images is None or not 0 <= number < len(images):
        return Response(status_code=404)
    try:
        content, kind = images.file(number)
    except (UserError, UnreadableImage, OSError):
        return Response(status_code=404)
    return Response(content, media_type=kind)
