from allennlp_graphmask.views.question.question_view import QuestionView

__all__ = ["QuestionView"]
