"""A page as a browser's parser sees it, for tests of what plugins write."""

import re
from html.parser import HTMLParser

BLOCKS = {"td", "th", "p", "div", "li", "dt", "dd", "br", "h1", "h2", "h3", "h4"}
VOID = {"meta", "br", "path", "use", "link", "img", "hr"}


class Page(HTMLParser):
    """The page as a browser's parser sees it: elements, attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words, self.open, self.crossed = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.words.append(" " if tag in BLOCKS else "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.crossed.append(tag)

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.words))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def assert_ids_are_unique(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
