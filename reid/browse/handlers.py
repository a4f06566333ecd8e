"""What the page's controls do: choose a query, and draw the ranking that is asked for."""

from pathlib import Path

import gradio as gr

from artefacts.errors import UserError
from artefacts.images import UnreadableImage
from reid.browse import cards
from reid.browse.session import Query, Session

THUMBNAILS, FIRST_PAGE = 24, 1  # images to choose a query from at a time
SHOW = {"attention": True, "image": False}  # whether attention is drawn on the images


class Handlers:
    """The events of the page of a session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.first = Query("gallery" if session.queries is session.gallery else "query")
        self._keys = [session.queries.key(number) for number in range(len(session.queries))]

    def chosen(self, event: gr.EventData) -> Query:
        """A thumbnail was clicked."""
        return self.first._replace(number=_within(event.image, len(self.session.queries)))

    def hit(self, event: gr.EventData) -> Query:
        """A gallery image is to be searched with."""
        return Query("gallery", _within(event.image, len(self.session.gallery)))

    def dropped(self, file: str) -> Query:
        """An image of the user's is there."""
        return Query("file", path=file)

    def filtered(self, words: str) -> dict:
        """Part of a name was written: the first page of those that have it."""
        pages = self.pages(words)
        return gr.update(value=FIRST_PAGE, maximum=max(pages, 2), visible=pages > 1)

    def pages(self, words: str) -> int:
        """Number of pages of the images with `words` in their names."""
        return -(-len(self._matches(words)) // THUMBNAILS)

    def choice(self, words: str, page: int, query: Query) -> str:
        """The thumbnails of one page of the images with `words` in their names."""
        start = (int(page) - 1) * THUMBNAILS
        numbers = self._matches(words)[start : start + THUMBNAILS]
        return cards.choice(self.session.queries, numbers, query.number if query.source == self.first.source else None)

    def _matches(self, words: str) -> list[int]:
        return [number for number, key in enumerate(self._keys) if words.strip().lower() in key.lower()]

    def ranking(self, query: Query, embeddings: list[str], visibility: str, show: str, top: int) -> str:
        """The query and its nearest gallery images, or what is wrong, on one line."""
        try:
            ranking = self.session.ranking(query, embeddings, visibility, int(top))
            return cards.ranking(self.session, query, ranking, SHOW[show])
        except (UserError, UnreadableImage) as error:
            return cards.message(f"{Path(query.path).name}: {error}" if query.source == "file" else str(error))


def _within(number: object, count: int) -> int:
    if not isinstance(number, int) or not 0 <= number < count:
        raise gr.Error(f"no image has the number {number}")
    return number
