from collections import UserDict
from typing import Any, Dict


class OpaqueMetadata(UserDict):
    """
    Metadata of an instance, to be used as the dictionary that they are. AllenNLP looks for tensors in everything that is in a
    batch, dictionaries and lists to their last elements, for each batch anew. In what is no `dict` it looks for none. For
    small graphs this is a third of the time that training takes.
    """

    def to_json(self) -> Dict[str, Any]:
        """AllenNLP's `sanitize` calls this."""
        return dict(self.data)
