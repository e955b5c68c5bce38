"""Views of explanations, as text and as HTML pages. `Explanation.kind` names the one that shows it."""

from allennlp_graphmask.views.exports import EXPORTS, to_conllu, to_frame, to_networkx
from allennlp_graphmask.views.graph import GraphView
from allennlp_graphmask.views.page import render_frame, render_html, render_svg, write_html_pages
from allennlp_graphmask.views.question import QuestionView
from allennlp_graphmask.views.sentence import SentenceView
from allennlp_graphmask.views.view import View, get_view, render_text

__all__ = [
    "EXPORTS",
    "GraphView",
    "QuestionView",
    "SentenceView",
    "View",
    "get_view",
    "render_frame",
    "render_html",
    "render_svg",
    "render_text",
    "to_conllu",
    "to_frame",
    "to_networkx",
    "write_html_pages",
]
